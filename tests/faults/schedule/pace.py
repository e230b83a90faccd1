"""Holds a rate of changes per second."""

import time
from collections.abc import Callable

_MOST_BEHIND_SECONDS = 1.0
"""After a longer delay, such as an outage, the writer does not catch up, to avoid a burst."""


class Pace:
    """Says how long to wait after each write, so that `rate` changes are made per second."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._due = clock()

    def pause(self, changes: int) -> float:
        """Return the seconds to wait after a write of `changes` changes, at least 0."""
        now = self._clock()
        self._due = max(self._due, now - _MOST_BEHIND_SECONDS) + changes / self._rate
        return max(self._due - now, 0.0)
