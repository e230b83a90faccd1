"""Measures the CPU time and the memory of processes."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import psutil

_INTERVAL_SECONDS = 0.1


class Usage:
    """A context manager that samples the processes `pids()` every 0.1 s."""

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self.megabytes = 0.0
        """The peak of the resident memory of all processes together."""

    @property
    def seconds(self) -> float:
        """The CPU time of all processes inside the block."""
        return sum(last - self._first[pid] for pid, last in self._last.items())

    def __enter__(self) -> Self:
        self._sample(begun=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._stopped.wait(_INTERVAL_SECONDS):
            self._sample()

    def _sample(self, *, begun: bool = False) -> None:
        memory = 0.0
        for pid in self._pids():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                times = process.cpu_times()
                self._last[pid] = times.user + times.system
                # For a process that started inside the block, all CPU time counts.
                self._first.setdefault(pid, self._last[pid] if begun else 0.0)
                memory += process.memory_info().rss / 1e6
        self.megabytes = max(self.megabytes, memory)
