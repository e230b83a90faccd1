"""The processor time of a server, and the number of requests that it has served."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Work:
    """What happened inside a `with` block."""

    seconds: float = 0.0
    server_seconds: float = 0.0
    """The processor time of the server."""
    requests: int = 0


class Watched:
    """A server that is watched."""

    def __init__(self, pid: int | None, requests: Callable[[], int]) -> None:
        """`requests` returns the number of requests so far, and is a request itself."""
        self._pid = pid
        self._requests = requests

    @contextmanager
    def working(self) -> Iterator[Work]:
        """Yield an object that holds the measured values at the end of the block."""
        work = Work()
        requests, used, began = self._requests(), self._used(), time.perf_counter()
        yield work
        work.seconds = time.perf_counter() - began
        work.server_seconds = self._used() - used
        work.requests = self._requests() - requests - 1

    def _used(self) -> float:
        """Return the processor time of all threads, which the scheduler counts in nanoseconds.

        `/proc/PID/stat` counts in hundredths of a second, which is longer than a batch takes.
        """
        files = Path(f"/proc/{self._pid}/task").glob("*/schedstat")
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9
