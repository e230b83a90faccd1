"""The file in which `up` remembers what it chose."""

import os
import stat
from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.config.envfile import read_env_file, write_env_file


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    values = {"MONGODB_URI": "mongodb://127.0.0.1:27/?replicaSet=rs0", "KEY": "a=b #c"}
    write_env_file(tmp_path / "env", values)
    assert read_env_file(tmp_path / "env") == values


def test_only_its_owner_reads_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_env_file(tmp_path / "env", {"KEY": "secret"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600


def test_writing_again_replaces_all_and_leaves_no_other_file(tmp_path: Path) -> None:
    write_env_file(tmp_path / "env", {"OLD": "1"})
    write_env_file(tmp_path / "env", {"NEW": "2"})
    assert read_env_file(tmp_path / "env") == {"NEW": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_a_missing_file_has_no_variables(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / "env") == {}


def test_comments_and_empty_lines_are_no_variables(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# a comment\n\n  \nNAME=value\n")
    assert read_env_file(tmp_path / "env") == {"NAME": "value"}


def test_a_line_without_a_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("NAME\n")
    with pytest.raises(Misconfigured, match="has the line 'NAME': write NAME=value"):
        read_env_file(tmp_path / "env")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match=r"cannot be read .* delete it and run `manage.py up`"):
        read_env_file(tmp_path / "env")
