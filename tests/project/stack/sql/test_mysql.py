"""Installing MySQL. test_server.py runs the server."""

import shutil
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.stack.ports import free_port
from project.stack.sql.mysql import MySQL


@pytest.mark.usefixtures("own_cache")
def test_a_missing_debootstrap_is_reported_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(StackError, match="run `apt-get install debootstrap` as root"):
        MySQL(tmp_path, free_port()).install()


@pytest.mark.usefixtures("own_cache")
def test_a_start_before_the_installation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is not installed; call install"):
        MySQL(tmp_path / "home", free_port()).start()
