"""A server that runs as a child process of this one."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from project.stack.errors import StackError
from project.stack.leftover import end_leftover, write_pid_file
from project.stack.output_summary import summary_line
from project.stack.run_program import setpriv_prefix

POLL_SECONDS = 0.02
LOG_BYTES = 10_000_000
LOG_TAIL_BYTES = 65_536


class Child:
    """One process with a log file; `folder` keeps `NAME.log` and `NAME.pid`.

    It runs in a session of its own, so a terminal's Ctrl-C does not reach it, and
    only this object's own process is ever signalled, by its process id. Where
    `setpriv` exists the kernel sends it SIGTERM as soon as the thread that called
    `start()` ends: start it from a thread that lives as long as it should.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self._log_start = 0  # where this run's part of the log begins
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the process lives, else None."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the process exists; a stopped (SIGSTOP) one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before its first start; negative for a signal."""
        return None if self._process is None else self._process.poll()

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start it; a process left over from a killed parent is ended first.

        `env` is added to this process's environment; `pass_fds` are open files (sockets)
        that it shares with this process, under the same numbers.
        """
        if self.alive:
            raise StackError(f"{self.name} already runs as process {self.pid}; stop it first.")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.end_leftover()
        self._rotate_log()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._spawn(argv, log.fileno(), env or {}, pass_fds)
        write_pid_file(self._process.pid, self._pid_file)

    def end_leftover(self) -> None:
        """End the process that a killed parent left behind in this folder, if any.

        StackError when its parent lives: then it is in use.
        """
        end_leftover(self.name, self._pid_file)

    def _spawn(
        self, argv: Sequence[str], log: int, env: Mapping[str, str], pass_fds: Sequence[int]
    ) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                [*setpriv_prefix(), *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,
                pass_fds=pass_fds,
            )
        except OSError as error:
            raise StackError(
                f"{self.name} cannot be started: {argv[0]} ({error.strerror}); "
                "install it again or make it executable."
            ) from error

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`; StackError when it ends before that or time is up.

        When this raises, whatever the reason, the process is stopped.
        """
        became_ready = False
        try:
            self._poll_until(ready, time.monotonic() + seconds, seconds)
            became_ready = True
        finally:
            if not became_ready:
                self.stop()

    def _poll_until(self, ready: Callable[[], bool], deadline: float, seconds: float) -> None:
        while self.alive:
            if ready():
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} did not answer within {seconds:g} s; "
                    f"its last words: {self.log_summary()!r}. Look at {self.log}."
                )
            time.sleep(POLL_SECONDS)
        raise StackError(
            f"{self.name} ended while starting (exit code {self.exit_code}); "
            f"its last words: {self.log_summary()!r}. Look at {self.log}."
        )

    def stop(self, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after `seconds`; returns when it is gone. Harmless twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. Harmless twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log_summary(self) -> str:
        """The line of the present run's log that tells most about its end."""
        if not self.log.exists():
            return "no output"
        with self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - LOG_TAIL_BYTES))
            return summary_line(file.read().decode(errors="replace"))

    def _rotate_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.rename(self.log.with_suffix(".log.1"))
