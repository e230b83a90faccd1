"""The home folder and its lock."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.config.environment import BASE_DIR
from project.up.home_folder import HomeFolder

HOLD = """
import sys, time
from pathlib import Path
from project.up.home_folder import HomeFolder
with HomeFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_folder_is_created(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "a" / "b")
    with home.locked():
        assert home.logs.is_dir()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture
def generous_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("generous_umask")
def test_other_users_cannot_read_the_home(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path / "home")
    with home.locked():
        (home.path / "storyfeed.sqlite3").touch()
        subprocess.run(["touch", str(home.logs / "web.log")], check=True)
    names = ("", "logs", "lock", "storyfeed.sqlite3", "logs/web.log")
    assert [mode(home.path / name) for name in names] == [0o700, 0o700, 0o600, 0o600, 0o600]
    (tmp_path / "other").touch()
    assert mode(tmp_path / "other") == 0o644


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o1777, 0o1777)])
def test_an_older_home_becomes_private_and_a_shared_folder_does_not(
    tmp_path: Path, before: int, after: int
) -> None:
    tmp_path.chmod(before)
    with HomeFolder(tmp_path).locked():
        assert mode(tmp_path) == after


def test_a_home_locked_by_another_process_is_refused(tmp_path: Path) -> None:
    home = HomeFolder(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Misconfigured, match=rf"\(process {holder.pid}\): stop that process"):
            home.locked().__enter__()
        holder.kill()
    with home.locked():
        pass


def test_a_home_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"STORYFEED_HOME is '.*home', which .*: choose"):
        HomeFolder(tmp_path / "file" / "home").locked().__enter__()
