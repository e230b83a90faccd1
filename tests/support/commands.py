"""Running `manage.py` commands to completion."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from cdc.errors import Retryable
from tests.support.paths import ROOT

T = TypeVar("T")
Done = subprocess.CompletedProcess[str]
_FAILED = 1
_POLL_SECONDS = 0.1
_SILENT = ("is not responding", "check its brokers", "is not draining")
"""Parts of the messages of a command that got no answer in time."""


def manage(
    environment: dict[str, str],
    *arguments: str,
    root: Path = ROOT,
    meanwhile: Callable[[], object] = lambda: None,
) -> Done:
    """Run a command with the code in `root`, and call `meanwhile` again and again."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(_run, environment, arguments, root)
        while wait([done], _POLL_SECONDS).not_done:
            meanwhile()
        return done.result()


def _run(environment: dict[str, str], arguments: Sequence[str], root: Path) -> Done:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def manage_patiently(
    environment: dict[str, str],
    *arguments: str,
    root: Path = ROOT,
    meanwhile: Callable[[], object] = lambda: None,
) -> Done:
    """Run a command, and run it again if a server did not answer in time; at most five times.

    A command waits only a second for MongoDB, which is too short if a server gets no CPU time.
    """
    for _ in range(4):
        done = manage(environment, *arguments, root=root, meanwhile=meanwhile)
        if done.returncode != _FAILED or not any(part in done.stderr for part in _SILENT):
            return done
    return manage(environment, *arguments, root=root, meanwhile=meanwhile)


def retried(attempt: Callable[[], T], seconds: float = 60.0) -> T:
    """Return `attempt()`. Call it again as long as it raises Retryable.

    Right after its creation, a topic may have no leaders or be unknown to a broker.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except Retryable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def wait_until(
    reached: Callable[[], bool],
    what: str,
    seconds: float = 90.0,
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Wait until `reached()` is true, and call `meanwhile` again and again.

    Fail the test after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        meanwhile()
        time.sleep(0.01)
