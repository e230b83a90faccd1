"""Starts child processes in order, restarts them, and stops them in reverse order."""

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cdc.errors import Misconfigured
from project.stack.child import Child
from project.stack.errors import StackError

FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
STEADY_SECONDS = 30.0
DRAIN_SECONDS = 3.0
STOP_SECONDS = 8.0
_POLL_SECONDS = 0.05
_EXIT_MISCONFIGURED = 2
_FULL_BYTES = 5_000_000
"""A disk with less free space is full: Kafka and mongod allocate files of several megabytes."""


class Program(Protocol):
    """A server of the stack or a daemon of the project."""

    @property
    def child(self) -> Child: ...

    def launch(self) -> None:
        """Start the process without waiting until it is ready."""


@dataclass(slots=True, kw_only=True)
class _Watched:
    program: Program
    drained: Callable[[], bool]
    launched_at: float
    failures: int = 0
    retry_at: float | None = None
    """When to restart a program that has exited; None while the program runs."""


class Supervisor:
    """Keeps programs running until `drain()`. `say` receives a line for each event."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._watched: list[_Watched] = []

    def start(self, program: Program, drained: Callable[[], bool] = lambda: True) -> None:
        """Start and supervise a program. `drained` returns whether the program's work is done."""
        program.launch()
        self._watched.append(
            _Watched(program=program, drained=drained, launched_at=time.monotonic())
        )

    def check(self) -> None:
        """Restart programs that have exited, each after a delay that grows from 0.2 to 10 s.

        Call this method often; it does not wait. Raise Misconfigured if a program exited with code
        2, because a restart would fail in the same way.
        """
        for watched in self._watched:
            if watched.retry_at is not None:
                self._relaunch(watched)
            elif not watched.program.child.alive:
                self._note_death(watched)

    def drain(self) -> None:
        """Stop all programs in reverse order of their start.

        Each program has up to 3 s to finish its work before it is asked to stop.
        """
        while self._watched:
            watched = self._watched.pop()
            child = watched.program.child
            if child.alive:
                _wait_for(watched)
                child.stop(STOP_SECONDS)
                self._say(f"{child.name} stopped")

    def _note_death(self, watched: _Watched) -> None:
        child = watched.program.child
        if child.exit_code == _EXIT_MISCONFIGURED:
            raise Misconfigured(f"{child.name} is misconfigured: {child.log_summary()}")
        if time.monotonic() - watched.launched_at > STEADY_SECONDS:
            watched.failures = 0
        self._retry(watched, f"{child.name} {_exit_reason(child.exit_code)}")

    def _relaunch(self, watched: _Watched) -> None:
        if time.monotonic() < (watched.retry_at or 0.0):
            return
        watched.launched_at, watched.retry_at = time.monotonic(), None
        try:
            watched.program.launch()
        except StackError as error:
            self._retry(watched, str(error))
        except OSError as error:
            # The disk may be full. The other programs keep running.
            name = watched.program.child.name
            self._retry(watched, f"{name} cannot be started ({error.strerror})")

    def _retry(self, watched: _Watched, why: str) -> None:
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(watched.failures, 10))
        watched.failures += 1
        watched.retry_at = time.monotonic() + delay
        log = watched.program.child.log
        self._say(f"{why}; {_disk_problem(log.parent)}restarting in {delay:g} s (log: {log})")


def _disk_problem(folder: Path) -> str:
    """Return a remark if the disk is full: programs then often exit without an error message."""
    free = shutil.disk_usage(folder).free
    return f"the disk of {folder} is full, so free some space; " if free < _FULL_BYTES else ""


def _exit_reason(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"exited with code {exit_code}"


def _wait_for(watched: _Watched) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        if not watched.program.child.alive or watched.drained():
            return
        time.sleep(_POLL_SECONDS)
