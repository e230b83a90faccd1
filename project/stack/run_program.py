"""A program that runs to its end, as opposed to a server."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from project.stack.errors import StackError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    output: str
    """What it wrote to standard output and standard error, in order."""


def run(command: Sequence[str], *, seconds: float, cwd: Path | None = None) -> Finished:
    """Run it to its end; StackError when it cannot be started or takes too long."""
    try:
        done = subprocess.run(
            [*setpriv_prefix(), *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(
            f"{command[0]} did not finish within {seconds:g} s; "
            "see whether the network or the disk is slow, and try again."
        ) from error
    except OSError as error:
        raise StackError(
            f"{command[0]} cannot be run ({error.strerror}); install it again."
        ) from error
    return Finished(exit_code=done.returncode, output=done.stdout)


def setpriv_prefix() -> list[str]:
    """The prefix that ties a process's life to ours, so that our SIGKILL leaves no orphan."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
