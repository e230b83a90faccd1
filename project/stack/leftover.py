"""The process that an earlier, killed run may have left behind.

A process id alone may by now belong to a stranger; together with its start time
(`/proc` has it, in clock ticks since boot) it is the same process or gone.
"""

import os
import signal
import time
from pathlib import Path

from project.stack.errors import StackError

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02


def write_pid_file(pid: int, file: Path) -> None:
    """Write to `file` which process was started, and that this one started it."""
    me = os.getpid()
    # Renamed into place: nobody reads half of it, also when this process is killed in between.
    unfinished = file.with_suffix(".pid-unfinished")
    unfinished.write_text(f"{pid} {_start_time(pid)} {me} {_start_time(me)}\n")
    unfinished.replace(file)


def end_leftover(name: str, file: Path) -> None:
    """End the process that `file` tells of, when the one that started it is gone.

    SIGTERM, and SIGKILL after 10 s. StackError when the starter lives: then the
    process is in use, not left over.
    """
    words = file.read_text().split() if file.exists() else []
    if len(words) != 4 or not all(word.isdecimal() for word in words):  # noqa: PLR2004
        return  # never written, or cut short by a kill: nothing is known
    pid, started, starter, starter_started = map(int, words)
    if _start_time(pid) != started:
        return
    if _start_time(starter) == starter_started:
        raise StackError(
            f"{name} in {file.parent} is in use by process {starter}; "
            "stop that one first, or choose another folder."
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
        return  # it ended by itself in the meantime


def _start_time(pid: int) -> int | None:
    """Clock ticks since boot, or None for a process that is gone; a zombie is."""
    try:
        # The name stands in parentheses and may hold blanks and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
