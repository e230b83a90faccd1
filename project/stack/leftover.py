"""Ends a process that an earlier, killed run left running.

The system may reuse a process id. Only the id together with the start time from `/proc` (in clock
ticks since boot) identifies a process.
"""

import os
import signal
import time
from pathlib import Path

from project.stack.errors import StackError

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02


def write_pid_file(pid: int, file: Path) -> None:
    """Write the process `pid` and its parent, which is this process, to `file`."""
    me = os.getpid()
    # Renamed into place, so that the file is complete even if this process is killed.
    unfinished = file.with_suffix(".pid-unfinished")
    unfinished.write_text(f"{pid} {_start_time(pid)} {me} {_start_time(me)}\n")
    unfinished.replace(file)


def end_leftover(name: str, file: Path) -> None:
    """End the process that is recorded in `file` if its recorded parent no longer exists.

    Send SIGTERM, then SIGKILL after 10 s. Raise StackError if the parent exists, because the
    recorded process is then in use.
    """
    numbers = file.read_text().split() if file.exists() else []
    if len(numbers) != 4 or not all(number.isdecimal() for number in numbers):  # noqa: PLR2004
        return  # the file is missing, or this module did not write it
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
        return  # the process has just exited


def _start_time(pid: int) -> int | None:
    """Return the start time in clock ticks since boot; None for an ended process or a zombie."""
    try:
        # The program's name is in parentheses. The name may contain spaces and parentheses too.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
