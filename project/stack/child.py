"""A long-running child process with a log file."""

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
    """A child process. Its log file, `NAME.log`, and its pid file, `NAME.pid`, are in `folder`.

    The process runs in its own session, so that Ctrl-C in a terminal does not reach it. If
    `setpriv` is available, the kernel sends SIGTERM to the process when the thread that called
    `start()` ends. Call `start()` from a thread that lives longer than the process.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self._log_start = 0  # where the output of the current run begins
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None if the process is not running."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the process is running or suspended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative after a signal; None while the process runs or before a start."""
        return None if self._process is None else self._process.poll()

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        """Start the process. A process that a killed parent left running is ended first.

        `env` is added to the environment of the parent. The file descriptors in `pass_fds` stay
        open in the child under the same numbers. Raise OSError if a file cannot be written;
        no process is running then.
        """
        if self.alive:
            raise StackError(
                f"{self.name} is already running as process {self.pid}; stop that process first."
            )
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.end_leftover()
        self._rotate_log()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._spawn(argv, log.fileno(), env or {}, pass_fds, cwd)
        try:
            write_pid_file(self._process.pid, self._pid_file)
        except OSError:
            self.kill()
            raise

    def end_leftover(self) -> None:
        """End the process that an earlier parent left running in this folder, if there is one.

        Raise StackError if the earlier parent is still alive: the process is then in use.
        """
        end_leftover(self.name, self._pid_file)

    def _spawn(
        self,
        argv: Sequence[str],
        log: int,
        env: Mapping[str, str],
        pass_fds: Sequence[int],
        cwd: Path | None,
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
                cwd=cwd,
            )
        except OSError as error:
            raise StackError(
                f"{self.name} cannot be started: {argv[0]} ({error.strerror}); "
                "reinstall this program or make it executable."
            ) from error

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()` is true. Raise StackError if the process exits or time runs out.

        If this method raises an exception, it has stopped the process.
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
                    f"{self.name} did not respond within {seconds:g} s "
                    f"({self.log_summary()}); see the log {self.log}."
                )
            time.sleep(POLL_SECONDS)
        raise StackError(
            f"{self.name} exited with code {self.exit_code} while starting "
            f"({self.log_summary()}); see the log {self.log}."
        )

    def stop(self, seconds: float = 10.0) -> None:
        """Send SIGTERM, then SIGKILL after `seconds`; return when the process is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Send SIGKILL; return when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log_summary(self) -> str:
        """Return the line of the current run's log that best explains why the process exited."""
        if not self.log.exists():
            return "no output"
        with self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - LOG_TAIL_BYTES))
            return summary_line(file.read().decode(errors="replace"))

    def _rotate_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.rename(self.log.with_suffix(".log.1"))
