"""The daemons of the pipeline as processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.support.paths import ROOT

_PATIENT = """\
import sys
import manage
from cdc.runtime import stop

stop._LAST_SECONDS = 60.0
sys.argv[0] = "manage.py"
sys.exit(manage.main())
"""
MANAGE = ("-c", _PATIENT)
"""`manage.py`, but a process that gets no CPU time at the end of its grace period ends with 0."""
removals: list[str] = []
"""The logs of the consumers that Kafka removed although the test had not asked for it.

`tests/conftest.py` fails a run with more than `MOST_REMOVALS` of them.
"""
MOST_REMOVALS = 3
_SIGTERM_BIT = 1 << (signal.SIGTERM - 1)
REMOVED = "Kafka removed this consumer from its group"
"""The last error of a consumer that got no CPU time for 6 s, for example."""


class Daemon:
    """A Python program, by default `manage.py`, that runs until it is stopped.

    It runs the code in `root`.
    """

    def __init__(
        self,
        log: Path,
        environment: dict[str, str],
        *arguments: str,
        root: Path = ROOT,
        program: Sequence[str] = MANAGE,
    ) -> None:
        self._log, self.root, self._program = log, root, program
        fixed = {"PYTHONFAULTHANDLER": "1", "MALLOC_ARENA_MAX": "2"}  # As in the systemd units.
        self._environment = {**os.environ, **fixed, **environment}
        self._arguments = arguments
        self._process: subprocess.Popen[bytes]
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def current_log(self) -> str:
        """What the current process has logged."""
        return self.log[self._log_start :]

    def start(self) -> None:
        self._is_wanted = True
        self._log_start = len(self.log)
        with self._log.open("ab") as output:
            self._process = self._run(output)

    def wait_for(self, event: str, seconds: float = 90.0) -> None:
        """Wait until the current process has logged `event`.

        Restart a consumer that Kafka has removed from its group, as a supervisor does.
        """
        deadline = time.monotonic() + seconds
        while event not in self.current_log:
            self.tend()
            assert self.exit_code is None or REMOVED in self.current_log, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def tend(self) -> None:
        """Restart a consumer that Kafka has removed from its group, as a supervisor does.

        After `kill`, `wait` and `stop`, do nothing until the next `start`.
        """
        if self._is_wanted and self.is_removed:
            removals.append(self.current_log)
            self.start()

    @property
    def is_removed(self) -> bool:
        """Whether the current process ended because Kafka removed it from its group."""
        return self.exit_code == 1 and REMOVED in self.current_log

    def wait(self, seconds: float = 90.0) -> int:
        """Wait until the process exits, and return its exit code. Send it no signal.

        Return 0 for a consumer that Kafka has removed from its group, because a supervisor would
        have restarted it. Such an end counts in `removals`.
        """
        self._is_wanted = False
        code = self._process.wait(timeout=seconds)
        if not self.is_removed:
            return code
        removals.append(self.current_log)
        return 0

    def kill(self) -> None:
        self._is_wanted = False
        process = self._process  # Another thread may start the next one.
        process.kill()
        process.wait()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def wait_until_stoppable(self, seconds: float = 60.0) -> None:
        """Wait until the process catches SIGTERM or has ended.

        SIGTERM kills a Python program that is still importing its modules.
        """
        deadline = time.monotonic() + seconds
        while self.alive() and not _catches_sigterm(self.pid) and time.monotonic() < deadline:
            time.sleep(0.02)

    def stop(self) -> int:
        """Send SIGTERM and `wait`; log the stack of a process that does not end."""
        self.wait_until_stoppable()
        self._process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)
            raise

    def alive(self) -> bool:
        return self._process.poll() is None

    def _run(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *self._program, *self._arguments],
            cwd=self.root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _catches_sigterm(pid: int) -> bool:
    """Return whether the process has a handler for SIGTERM; True where the kernel does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return True
    masks = [line.split()[1] for line in lines if line.startswith("SigCgt:")]
    return any(int(mask, 16) & _SIGTERM_BIT for mask in masks)
