"""The file in which `up` stores the variables that it chose."""

import os
import stat
from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.config.envfile import read_env_file, write_env_file


def test_written_values_are_read_back(tmp_path: Path) -> None:
    values = {"MONGODB_URI": "mongodb://a/?replicaSet=rs0", "KEY": "a=b #c $HOME ${HOME} '\"\\"}
    write_env_file(tmp_path / "env", values)
    assert read_env_file(tmp_path / "env") == values


def test_mode_is_600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_env_file(tmp_path / "env", {"KEY": "secret"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600


def test_writing_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    write_env_file(tmp_path / "env", {"OLD": "1"})
    write_env_file(tmp_path / "env", {"NEW": "2"})
    assert read_env_file(tmp_path / "env") == {"NEW": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_missing_file_has_no_variables(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / "env") == {}


def test_comments_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# a comment\n\n  \nNAME=value\n")
    assert read_env_file(tmp_path / "env") == {"NAME": "value"}


def test_line_without_a_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("NAME\n")
    with pytest.raises(Misconfigured, match="contains the line 'NAME': write NAME=value"):
        read_env_file(tmp_path / "env")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match=r"cannot be read .* delete it and run `manage.py up`"):
        read_env_file(tmp_path / "env")
