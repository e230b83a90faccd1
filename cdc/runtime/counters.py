"""What the feed absorbed: counted in the process, added up in the database."""

from collections import Counter as Tally

from django.db import Error, connections
from django.db.models import F

from cdc.models import Counter
from cdc.runtime.loop import Clock
from cdc.runtime.telemetry import COUNTERS

_FLUSH_SECONDS = 1.0
_PATIENCE = 10


class Counters:
    """The counters of one process; what is not in the database yet is lost with the process."""

    def __init__(self, using: str, clock: Clock) -> None:
        self._using = using
        self._clock = clock
        self._tally: Tally[str] = Tally()
        self._flushed = float("-inf")

    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more."""
        if number:
            self._tally[name] += number

    def flush(self) -> None:
        """Add what was counted to the database, at most once a second; keep it while that is away.

        Counting never holds the feed up.
        """
        now = self._clock.monotonic()
        if not self._tally or now - self._flushed < _FLUSH_SECONDS:
            return
        self._flushed = now
        try:
            for name in list(self._tally):
                _increase(name, self._tally[name], self._using)
                del self._tally[name]
        except Error:
            # A database that is suspended holds each attempt up for seconds, so they are few.
            after = self._clock.monotonic()
            self._flushed = after + _PATIENCE * (after - now)
            connections[self._using].close()


def totals(using: str) -> dict[str, int]:
    """Return every counter, 0 for what never happened."""
    found = dict(Counter.objects.using(using).values_list("name", "value"))
    return {name: found.get(name, 0) for name in COUNTERS}


def _increase(name: str, number: int, using: str) -> None:
    rows = Counter.objects.using(using)
    rows.get_or_create(name=name)
    rows.filter(name=name).update(value=F("value") + number)
