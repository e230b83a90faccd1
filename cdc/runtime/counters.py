"""Counters of retries, duplicates and similar events, for one process and in total.

The totals over all processes are stored in the database.
"""

from collections import Counter as Tally
from collections.abc import Mapping

from django.db import Error, connections
from django.db.models import F

from cdc.models import Counter
from cdc.runtime.clock import Clock
from cdc.runtime.telemetry import COUNTERS

_FLUSH_SECONDS = 1.0
_BACKOFF_FACTOR = 10


class Counters:
    """The counters of one process; a crash loses the counts that are not flushed yet."""

    def __init__(self, using: str, clock: Clock) -> None:
        self._using = using
        self._clock = clock
        self._since_start: Tally[str] = Tally()
        self._unflushed: Tally[str] = Tally()
        self._flushed_at = float("-inf")

    def add(self, name: str, number: int = 1) -> None:
        if number:
            self._since_start[name] += number
            self._unflushed[name] += number

    def since_start(self) -> Mapping[str, int]:
        """Return all counters of this process, including zeros; any thread may call this method."""
        return {name: self._since_start[name] for name in COUNTERS}

    def flush(self) -> None:
        """Add the counts to the totals in the database, at most once per second.

        If the database fails, the counts are kept for the next flush. The error is ignored, because
        counting must never stop the process.
        """
        now = self._clock.monotonic()
        if not self._unflushed or now - self._flushed_at < _FLUSH_SECONDS:
            return
        self._flushed_at = now
        try:
            for name in list(self._unflushed):
                _increase(name, self._unflushed[name], self._using)
                del self._unflushed[name]
        except Error:
            # An unresponsive database blocks each attempt for seconds: retry rarely.
            after = self._clock.monotonic()
            self._flushed_at = after + _BACKOFF_FACTOR * (after - now)
            connections[self._using].close()


def totals(using: str) -> dict[str, int]:
    """Return the total of each counter over all processes since the database was created."""
    found = dict(Counter.objects.using(using).values_list("name", "value"))
    return {name: found.get(name, 0) for name in COUNTERS}


def _increase(name: str, number: int, using: str) -> None:
    rows = Counter.objects.using(using)
    rows.get_or_create(name=name)
    rows.filter(name=name).update(value=F("value") + number)
