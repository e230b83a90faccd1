"""`manage.py` commands as real processes that end by themselves."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from tests.support.paths import ROOT

Done = subprocess.CompletedProcess[str]


def manage(environment: dict[str, str], *arguments: str) -> Done:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def wait_until(reached: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return when `reached`; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"{what} was not reached"
        time.sleep(0.01)
