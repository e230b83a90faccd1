"""The descriptors of a web process."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PROGRAM = (
    "from project.http import descriptors as d; import resource as r; d.raise_limit(); "
    "print(r.getrlimit(r.RLIMIT_NOFILE)[0], d.most_clients(), d.most_streams())"
)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("ulimit -n 1024", "1024 824 618"),
        ("ulimit -Sn 256; ulimit -Hn 4096", "4096 3896 2922"),
        ("ulimit -n 256", "256 64 48"),
    ],
)
def test_descriptors_are_kept_back(limits: str, expected: str) -> None:
    shell = ["sh", "-c", f'{limits}; exec "$@"', "sh", sys.executable, "-c", PROGRAM]
    assert subprocess.check_output(shell, cwd=ROOT, text=True).split() == expected.split()
