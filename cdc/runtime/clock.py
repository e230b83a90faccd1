"""The time, from a source that tests can replace."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time that tests can control."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
