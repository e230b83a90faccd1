"""Throttles bulk writers by the number of rows in the outbox, and by a rate."""

from collections.abc import Callable

from cdc.models import OutboxRecord
from cdc.progress import Say
from cdc.runtime.clock import Clock

_MOST_ROWS = 10_000
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0
_COUNT_SECONDS = 1.0


class OutboxLimit:
    """Limits the number of rows in the outbox, even if the relay is slow or stopped.

    The rows are counted again only after a second, or when the admitted rows could exceed the
    limit, because counting thousands of rows costs as much as adding a chunk. Between two
    counts, rows from other writers can take the outbox above the limit.
    """

    def __init__(self, using: str, clock: Clock, say: Say, most: int = _MOST_ROWS) -> None:
        self._rows = OutboxRecord.objects.using(using)
        self._clock = clock
        self._say = say
        self._most = most
        self._room = 0
        self._counted_at = float("-inf")

    def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
        """Wait until `rows` more rows fit, or until `stopped` returns True.

        If the number of rows does not fall within 5 s, a message is printed with `say`.
        """
        if rows > self._room or self._clock.monotonic() - self._counted_at > _COUNT_SECONDS:
            self._room = self._most - self._drained(rows, stopped)
            self._counted_at = self._clock.monotonic()
        self._room -= rows

    def _drained(self, rows: int, stopped: Callable[[], bool]) -> int:
        """Wait until `rows` more rows fit, and return the number of rows."""
        fewest, since, reported = self._rows.count(), self._clock.monotonic(), False
        pending = fewest
        while pending and pending + rows > self._most and not stopped():
            if not reported and self._clock.monotonic() - since > _PATIENCE_SECONDS:
                reported = True
                self._say(
                    f"The outbox has {pending} rows and is not draining. "
                    "Check that `manage.py relay_outbox` is running and that Kafka is up."
                )
            self._clock.sleep(_POLL_SECONDS)
            pending = self._rows.count()
            if pending < fewest:
                fewest, since, reported = pending, self._clock.monotonic(), False
        return pending


class RateLimit:
    """Limits the number of rows per second; 0 means no limit."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._due = clock.monotonic()

    def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
        """Wait until the rate allows `rows` more rows, or until `stopped` returns True."""
        while not stopped() and (left := self._due - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, 0.5))
        if self._rate:
            self._due = max(self._due, self._clock.monotonic()) + rows / self._rate
