"""The clock of the simulation, and processors that several parts share."""

import heapq
import itertools
from collections.abc import Callable

_LONGEST_SECONDS = 3_600.0


class Events:
    """Calls actions in the order of their times, in simulated seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()  # Actions of the same time keep their order.

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Call `action` at a time, which must not be in the past."""
        heapq.heappush(self._queue, (time, next(self._numbers), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` after a duration."""
        self.at(self.now + seconds, action)

    def run(self, finished: Callable[[], bool]) -> None:
        """Call actions until `finished` returns True; raise RuntimeError if that never happens."""
        while not finished():
            if not self._queue or self.now > _LONGEST_SECONDS:
                raise RuntimeError(f"The simulation did not end; it is at {self.now:.1f} s.")
            self.now, _, action = heapq.heappop(self._queue)
            action()


class Cores:
    """Processor cores that serve requests in the order of their arrival."""

    def __init__(self, events: Events, cores: int) -> None:
        self._events = events
        self._free = [0.0] * cores
        """The time at which each core becomes free."""
        self.busy = 0.0
        """The busy time of all cores together."""

    def serve(self, seconds: float, then: Callable[[], None]) -> float:
        """Call `then` when a core has worked for `seconds`; return the wait for a free core."""
        started = max(self._events.now, self._free[0])
        heapq.heapreplace(self._free, started + seconds)
        self.busy += seconds
        self._events.at(started + seconds, then)
        return started - self._events.now

    def used(self) -> float:
        """Return the share of the time in which the cores were busy."""
        return self.busy / (len(self._free) * self._events.now) if self._events.now else 0.0
