"""The home folder and its lock."""

import subprocess
import sys
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
