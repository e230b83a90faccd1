"""The processor time of a server and of its client, and the number of requests."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Work:
    """What happened inside a `with` block."""

    seconds: float = 0.0
    client_seconds: float = 0.0
    """The processor time of this process, with all threads."""
    server_seconds: float = 0.0
    """The processor time of the server."""
    requests: int = 0

    @property
    def waited(self) -> float:
        """The seconds in which neither worked, but waited for a disk or a processor."""
        return max(self.seconds - self.client_seconds - self.server_seconds, 0.0)


class Watched:
    """A server whose processor time and requests are measured."""

    def __init__(self, pid: int | None, requests: Callable[[], int]) -> None:
        """`requests` returns the number of requests so far, and is a request itself."""
        self._pid = pid
        self._requests = requests

    @contextmanager
    def working(self) -> Iterator[Work]:
        """Yield an object that holds the measured values at the end of the block."""
        work = Work()
        requests, used = self._requests(), self._used()
        began, own = time.perf_counter(), time.process_time()
        yield work
        work.seconds = time.perf_counter() - began
        work.client_seconds = time.process_time() - own
        work.server_seconds = self._used() - used
        work.requests = self._requests() - requests - 1

    def _used(self) -> float:
        """Return the processor time of all threads, which the scheduler counts in nanoseconds.

        `/proc/PID/stat` counts in hundredths of a second, which is longer than a batch takes.
        """
        total = 0
        for file in Path(f"/proc/{self._pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # The thread has ended.
                total += int(file.read_text().split()[0])
        return total / 1e9
