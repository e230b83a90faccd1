"""Installing MariaDB. test_server.py runs the server."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.stack.ports import free_port
from project.stack.sql.mariadb import MariaDB

Script = Callable[[str, str], Path]


@pytest.fixture
def mariadb(tmp_path: Path) -> MariaDB:
    return MariaDB(tmp_path / "home", free_port())


def test_a_missing_package_is_reported_with_a_remedy(
    mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(StackError, match="mariadbd is not installed; run `apt-get install"):
        mariadb.install()


def test_a_failed_initialisation_is_reported_and_leaves_no_data(
    mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    program = script("mariadb-install-db", "echo '[ERROR] No space left'; echo bye; exit 1")
    monkeypatch.setattr("project.stack.sql.mariadb.find_program", lambda _: str(program))
    with pytest.raises(StackError, match=r"cannot be initialised \(\[ERROR\] No space left\)"):
        mariadb.start()
    assert not (mariadb.folder / "data").exists()
