"""The age of the first waiting change of a queue, bounded by earlier readings of this process.

The time of a change comes from the clock of another host. If that clock is ahead, a change that
waits would look new; if it is behind, every new change would look old.
"""

import time
from dataclasses import dataclass

from django.db.models import Max, Min

from cdc.models import OutboxRecord


@dataclass(slots=True, kw_only=True)
class Reading:
    """The result of reading a queue once; a position is an offset or an id."""

    began_ms: int
    """A time before the reading; every change from `end` on was captured or committed later."""
    ended_ms: int
    """The time after the reading; every change before `end` arrived earlier."""
    position: int
    """The position of the first waiting change."""
    end: int
    seen_ms: int
    """When a reading first found the change at `position`."""
    oldest_ms: int | None = None
    """The time of the change at `position`; None if no change waits, or if it is not known."""

    def oldest_at(self, position: int) -> int | None:
        """Return the earliest possible time of the change at `position`; None if not known."""
        if position >= self.end:
            return self.began_ms
        return self.oldest_ms if position >= self.position else None

    def within_bounds(self, found_ms: int, last: "Reading | None") -> int:
        """Return the time of the change at `position`, corrected for the clock of its host."""
        earliest = last.oldest_at(self.position) if last else None
        return min(max(found_ms, earliest or found_ms), self.seen_ms)


def reading_of(position: int, end: int, began_ms: int, last: Reading | None) -> Reading:
    """Return a reading that has just ended; `last` is the reading before it."""
    seen_ms = ended_ms = now_ms()
    if last is not None and position < last.end:
        seen_ms = last.seen_ms if position == last.position else min(last.ended_ms, ended_ms)
    return Reading(
        began_ms=began_ms, ended_ms=ended_ms, position=position, end=end, seen_ms=seen_ms
    )


class OutboxAge:
    """Reads the age of the oldest row of the outbox."""

    def __init__(self, using: str) -> None:
        self._rows = OutboxRecord.objects.using(using)
        self._last: Reading | None = None
        self.captured_since_ms = 0
        """Changes not in Kafka at the last reading were captured at this time or later."""

    def seconds(self, oldest_ms: int | None) -> float:
        """Return the age of the oldest row, captured at `oldest_ms`; 0 without a row."""
        began_ms = now_ms()
        ids = self._rows.aggregate(lowest=Min("id"), highest=Max("id"))
        if oldest_ms is None or ids["lowest"] is None:
            self._last = reading_of(0, 0, began_ms, None)  # Later rows are newer than `began_ms`.
            self.captured_since_ms = began_ms
            return 0.0
        reading = reading_of(ids["lowest"], ids["highest"] + 1, began_ms, self._last)
        reading.oldest_ms = reading.within_bounds(oldest_ms, self._last)
        self._last = reading
        self.captured_since_ms = reading.oldest_ms
        return age(reading.oldest_ms)


def age(since_ms: int) -> float:
    """Return how many seconds have passed since a time in milliseconds since 1970."""
    return round(max(time.time() - since_ms / 1000, 0.0), 3)


def now_ms() -> int:
    """Return the time of this host in milliseconds since 1970."""
    return round(time.time() * 1000)
