"""Processor time and memory of a system's own processes, while something is measured."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import psutil

_EVERY_SECONDS = 0.1


class Usage:
    """Within the `with` block, looks at the processes of these ids all the time."""

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self.megabytes = 0.0
        """The most that they held together."""

    @property
    def seconds(self) -> float:
        """The processor time that they took since the block began."""
        return sum(last - self._first[pid] for pid, last in self._last.items())

    def __enter__(self) -> Self:
        self._look(begun=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self._look()

    def _look(self, *, begun: bool = False) -> None:
        held = 0.0
        for pid in self._pids():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                times = process.cpu_times()
                self._last[pid] = times.user + times.system
                # A process that began meanwhile counts from its own start.
                self._first.setdefault(pid, self._last[pid] if begun else 0.0)
                held += process.memory_info().rss / 1e6
        self.megabytes = max(self.megabytes, held)
