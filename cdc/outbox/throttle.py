"""Room in the outbox: who adds rows by the thousand waits until the relay has taken some away."""

from collections.abc import Callable

from cdc.models import OutboxRecord
from cdc.progress import Say
from cdc.runtime.loop import Clock

MOST_ROWS = 10_000
"""Rows that may wait in the outbox before the next chunk is added."""
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0


class OutboxRoom:
    """Keeps the outbox short, whatever the relay does."""

    def __init__(self, using: str, clock: Clock, say: Say, most: int = MOST_ROWS) -> None:
        self._rows = OutboxRecord.objects.using(using)
        self._clock = clock
        self._say = say
        self._most = most

    def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
        """Return when `rows` more fit in, or at a stop; say so when nobody takes any away."""
        fewest, since, said = self._rows.count(), self._clock.monotonic(), False
        waiting = fewest
        while waiting and waiting + rows > self._most and not stopped():
            if not said and self._clock.monotonic() - since > _PATIENCE_SECONDS:
                said = True
                self._say(
                    f"Waiting for room: {waiting} rows wait in the outbox and get no fewer. "
                    "See that `manage.py relay_outbox` runs and that Kafka is up."
                )
            self._clock.sleep(_LOOK_SECONDS)
            waiting = self._rows.count()
            if waiting < fewest:
                fewest, since, said = waiting, self._clock.monotonic(), False


class Pace:
    """Keeps to so many rows a second; 0 is as fast as it goes."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._due = clock.monotonic()

    def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
        """Return when it is time for `rows` more, or at a stop."""
        while not stopped() and (left := self._due - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, 0.5))
        if self._rate:
            self._due = max(self._due, self._clock.monotonic()) + rows / self._rate
