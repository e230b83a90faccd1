"""Runs pytest processes in parallel. Most tests wait for a server, so this saves time."""

import math
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from project.up.console import Console
from tests.support.paths import ROOT

PYTEST_CODES = range(6)
NO_TESTS = 5
POLL_SECONDS = 0.2
GRACE_SECONDS = 15
LIMIT_SECONDS = 5400
"""How long a part of the suite may take: a process that hangs at its exit has no other limit."""
_SLOWEST = ("--durations=12", "--durations-min=4")
"""pytest's options that report the slowest tests after each run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One pytest process on one database. Django reads the database's URL once per process."""

    name: str
    url: str
    arguments: Sequence[str]
    may_be_empty: bool = False
    """Whether the run succeeds if its arguments select no tests."""
    limit_seconds: float = math.inf

    @property
    def title(self) -> str:
        return f"pytest {' '.join(self.arguments)} on {self.name}"

    def start(self, env: Mapping[str, str], output: Path | None) -> "subprocess.Popen[bytes]":
        """Start the process. If `output` is None, it writes to the terminal."""
        command = [sys.executable, "-m", "pytest", *_SLOWEST, *self.arguments]
        variables = {**env, "DATABASE_URL": self.url}
        if output is None:
            return subprocess.Popen(command, cwd=ROOT, env=variables)
        with output.open("wb") as file:
            return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=file, stderr=file)


@dataclass(slots=True, kw_only=True)
class Lane:
    """Takes runs from the queue and executes them one after another.

    The output of a run goes to the terminal, or to the file `output`. The file is shown when the
    run has ended.
    """

    queue: deque[Run]
    env: Mapping[str, str]
    console: Console
    output: Path | None = None
    codes: dict[str, int] = field(default_factory=dict)
    """The highest exit code of each database. A signal's negative code counts as its number."""
    _run: Run | None = None
    _process: "subprocess.Popen[bytes] | None" = None
    _ends: float = math.inf

    def step(self) -> bool:
        """Start the next run if the current one has ended. Return False when no run is left."""
        if self._process is not None and self._run is not None:
            code = self._process.poll()
            if code is None:
                self._enforce_limit(self._process)
                return True
            self._process = None
            self._ended(self._run, code)
        if not self.queue:
            return False
        self._run = self.queue.popleft()
        self.console.say(self._run.title)
        self._process = self._run.start(self.env, self.output)
        self._ends = time.monotonic() + self._run.limit_seconds
        return True

    def end(self) -> None:
        """Interrupt the current run. pytest has GRACE_SECONDS to stop its tests' processes.

        After this time, pytest and these processes are killed.
        """
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _kill_with_children(self._process.pid)
            self._process.wait()

    def _enforce_limit(self, process: "subprocess.Popen[bytes]") -> None:
        if time.monotonic() > self._ends:
            # pytest's handler of this signal prints where each thread is.
            process.send_signal(signal.SIGABRT)
            self._ends = math.inf

    def _ended(self, run: Run, code: int) -> None:
        if code == NO_TESTS and run.may_be_empty:
            code = 0
        self.codes[run.name] = max(abs(code), self.codes.get(run.name, 0))
        if self.output is not None:
            self.console.say(f"{run.title}:")
            self.console.show(self.output.read_text(errors="replace"))
        if code not in PYTEST_CODES:
            # pytest has printed no summary.
            self.console.show(f"storyfeed tests: {run.title} did not finish (exit code {code})")


def _kill_with_children(pid: int) -> None:
    """Kill a process, its children, their children, and so on."""
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def side_by_side(lanes: Sequence[Lane]) -> dict[str, int]:
    """Run all lanes until the queue is empty. Return the highest exit code of each database."""
    try:
        # Without the list, any() would step only the first lane that has work.
        while sum(lane.step() for lane in lanes):
            time.sleep(POLL_SECONDS)
    finally:
        for lane in lanes:
            lane.end()
    names = dict.fromkeys(name for lane in lanes for name in lane.codes)
    return {name: max(lane.codes.get(name, 0) for lane in lanes) for name in names}
