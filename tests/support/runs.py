"""Pytest's runs, in lanes side by side: most tests wait for a server, and there are two cores."""

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from project.up.console import Console
from tests.support.paths import ROOT

PYTEST_CODES = range(6)
LOOK_SECONDS = 0.2
GRACE_SECONDS = 15
_SLOWEST = ("--durations=12", "--durations-min=4")
"""Presentation at the end of each run: a suite is made shorter there first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process of pytest on one database: Django's settings are read once in each."""

    name: str
    url: str
    arguments: Sequence[str]

    @property
    def title(self) -> str:
        """What the person at the terminal reads."""
        return f"pytest {' '.join(self.arguments)} on {self.name}"

    def start(self, env: Mapping[str, str], output: Path | None) -> "subprocess.Popen[bytes]":
        """Begin it; without `output` it writes to the terminal."""
        command = [sys.executable, "-m", "pytest", *_SLOWEST, *self.arguments]
        variables = {**env, "DATABASE_URL": self.url}
        if output is None:
            return subprocess.Popen(command, cwd=ROOT, env=variables)
        with output.open("wb") as file:
            return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=file, stderr=file)


@dataclass(slots=True, kw_only=True)
class Lane:
    """Takes the next run of a queue whenever its last one has ended.

    What is written to a file is shown when its run ends.
    """

    queue: deque[Run]
    env: Mapping[str, str]
    console: Console
    output: Path | None = None
    codes: dict[str, int] = field(default_factory=dict)
    """The worst exit code by database; a signal's number is negative, and is no less a failure."""
    _run: Run | None = None
    _process: "subprocess.Popen[bytes] | None" = None

    def step(self) -> bool:
        """Go on with what is due; return whether anything is left."""
        if self._process is not None and self._run is not None:
            code = self._process.poll()
            if code is None:
                return True
            self._process = None
            self._ended(self._run, code)
        if not self.queue:
            return False
        self._run = self.queue.popleft()
        self.console.say(self._run.title)
        self._process = self._run.start(self.env, self.output)
        return True

    def end(self) -> None:
        """End what still runs; pytest first gets time to stop what its tests have started."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ended(self, run: Run, code: int) -> None:
        self.codes[run.name] = max(abs(code), self.codes.get(run.name, 0))
        if self.output is not None:
            self.console.say(f"{run.title}:")
            self.console.show(self.output.read_text(errors="replace"))
        if code not in PYTEST_CODES:
            # It did not come to its own closing line.
            self.console.show(f"storyfeed tests: {run.title} was cut off (code {code})")


def side_by_side(lanes: Sequence[Lane]) -> dict[str, int]:
    """Run until the queue is empty; return the worst exit code by database."""
    try:
        # A sum, because `any` would stop at the first lane that has more.
        while sum(lane.step() for lane in lanes):
            time.sleep(LOOK_SECONDS)
    finally:
        for lane in lanes:
            lane.end()
    names = dict.fromkeys(name for lane in lanes for name in lane.codes)
    return {name: max(lane.codes.get(name, 0) for lane in lanes) for name in names}
