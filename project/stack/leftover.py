"""Finds and ends the process that an earlier, killed run left running.

An unrelated process may have reused a process id. The process id and the start time from `/proc`
(clock ticks since boot) together identify one process.
"""

import os
import signal
import time
from pathlib import Path

from project.stack.errors import StackError

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02


def write_pid_file(pid: int, file: Path) -> None:
    """Record the process `pid` and this process, which started it."""
    me = os.getpid()
    # Renamed into place, so that the file is complete even if this process is killed.
    unfinished = file.with_suffix(".pid-unfinished")
    unfinished.write_text(f"{pid} {_start_time(pid)} {me} {_start_time(me)}\n")
    unfinished.replace(file)


def end_leftover(name: str, file: Path) -> None:
    """End the process recorded in `file` if the process that started it is gone.

    Sends SIGTERM, then SIGKILL after 10 s. Raises StackError if the process that started it is
    alive, because the recorded process is then in use.
    """
    numbers = file.read_text().split() if file.exists() else []
    if len(numbers) != 4 or not all(number.isdecimal() for number in numbers):  # noqa: PLR2004
        return  # missing or not written by this module
    pid, started, starter, starter_started = map(int, numbers)
    if _start_time(pid) != started:
        return
    if _start_time(starter) == starter_started:
        raise StackError(
            f"{name} in {file.parent} is in use by process {starter}; "
            "stop that process or choose another folder."
        )
    _end(pid, started)


def _end(pid: int, started: int) -> None:
    _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while _start_time(pid) == started:
        if time.monotonic() > deadline:
            _signal(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has just exited


def _start_time(pid: int) -> int | None:
    """The start time in clock ticks since boot; None if the process has ended or is a zombie."""
    try:
        # The program's name is in parentheses and may itself contain blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
