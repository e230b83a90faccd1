"""Runs programs, prints what a step does, and waits for conditions."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

WAIT_SECONDS = 180.0


class Failed(Exception):
    """A step had another result than expected."""


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 1800,
) -> str:
    """Return the output of a program. Raise Failed if its exit code is not 0."""
    done = attempt(command, env=env, cwd=cwd, seconds=seconds)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise Failed(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{tail}")
    return done.stdout


def attempt(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 1800,
) -> "subprocess.CompletedProcess[str]":
    """Run a program, whatever its exit code is. Its output includes standard error."""
    return subprocess.run(
        list(map(str, command)),
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


@contextmanager
def step(title: str) -> Iterator[Callable[[object], None]]:
    """Print `title`, then the result that the block passes to the yielded function, or "ok"."""
    say(f"  {title} … ", end="")
    results: list[str] = []
    began = time.monotonic()
    try:
        yield lambda result: results.append(str(result))
    except BaseException:
        say("failed")
        raise
    say(f"{'; '.join(results) or 'ok'} ({time.monotonic() - began:.1f} s)")


def say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def expect(condition: object, sentence: str) -> None:
    """Raise Failed with `sentence` unless the condition holds."""
    if not condition:
        raise Failed(sentence)


def wait_for(what: str, condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> float:
    """Wait until `condition()` is true, and return the seconds. Raise Failed after `seconds`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise Failed(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - began
