"""Running `manage.py` commands to completion."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cdc.errors import Retryable
from tests.support.paths import ROOT

T = TypeVar("T")
Done = subprocess.CompletedProcess[str]


def manage(environment: dict[str, str], *arguments: str, root: Path = ROOT) -> Done:
    """Run a command with the code in `root`."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


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


def wait_until(reached: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    """Wait until `reached()` is true. Fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.01)
