"""Runs a program to completion."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from project.stack.errors import StackError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    exit_code: int
    """Negative if a signal ended the program."""
    output: str
    """Standard output and standard error, interleaved."""


def run(
    command: Sequence[str],
    *,
    seconds: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to completion. Raise StackError if it cannot start or takes too long.

    `env` is added to the environment of this process.
    """
    try:
        done = subprocess.run(
            [*setpriv_prefix(), *command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
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
            "check the network and the disk, then try again."
        ) from error
    except OSError as error:
        raise StackError(
            f"{command[0]} cannot be run ({error.strerror}); reinstall this program."
        ) from error
    return Finished(exit_code=done.returncode, output=done.stdout)


def setpriv_prefix() -> list[str]:
    """Return a command prefix that sends SIGTERM to a program when the thread that started it ends.

    The thread also ends if this process is killed. Without `setpriv`, the prefix is empty.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
