"""What make does again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

STAMPS = ("made.stamp", "run.stamp")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder in which `make install` has run."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to("/bin/echo")
    for name in STAMPS:
        (tmp_path / ".venv" / name).touch()
    return tmp_path


def planned(checkout: Path) -> str:
    """Return the commands of `make install`, without executing them."""
    done = subprocess.run(
        ["make", "--dry-run", "install"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_an_installed_environment_is_kept(checkout: Path) -> None:
    assert "Nothing to be done" in planned(checkout)


def test_an_environment_without_its_python_is_made_again(checkout: Path) -> None:
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to("removed")

    assert "-m venv --clear .venv" in planned(checkout)
    assert "-r requirements.txt" in planned(checkout)
