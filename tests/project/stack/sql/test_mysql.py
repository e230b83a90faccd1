"""What MySQL needs; a real one runs in test_sql_server.py."""

import shutil
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.stack.ports import free_port
from project.stack.sql.mysql import MySQL


@pytest.mark.usefixtures("own_cache")
def test_without_debootstrap_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(StackError, match="run `apt-get install debootstrap` as root"):
        MySQL(tmp_path, free_port()).install()


@pytest.mark.usefixtures("own_cache")
def test_starting_it_uninstalled_says_so(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is not installed; call install"):
        MySQL(tmp_path / "home", free_port()).start()
