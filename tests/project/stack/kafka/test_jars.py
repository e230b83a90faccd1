"""Kafka's jars are pinned, verified and downloaded once."""

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from project.stack.errors import StackError
from project.stack.kafka import jars as jars_module
from project.stack.kafka.jars import SUMS_FILE, Jars, read_sums, verify

Script = Callable[[str, str], Path]

PATH = "org/example/thing/1.0/thing-1.0.jar"
CONTENT = b"content"


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    file = tmp_path / "sums"
    file.write_text(f"{hashlib.sha512(CONTENT).hexdigest()}  {PATH}\n")
    return file


def put_jar(folder: Path, content: bytes) -> None:
    file = folder / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(content)


def test_the_committed_sums_pin_kafka_and_a_log_binding() -> None:
    sums = read_sums(SUMS_FILE)
    assert len(sums) > 40
    assert all(re.fullmatch(r"[0-9a-f]{128}", digest) for digest in sums.values())
    assert any("/kafka_2.13/" in path for path in sums)
    assert any("log4j-slf4j-impl" in path for path in sums)


def test_each_artifact_is_pinned_in_one_version() -> None:
    artifacts = [path.rsplit("/", 2)[0] for path in read_sums(SUMS_FILE)]
    assert len(artifacts) == len(set(artifacts))


def test_an_unchanged_file_passes(tmp_path: Path, sums: Path) -> None:
    put_jar(tmp_path, CONTENT)
    verify(tmp_path, read_sums(sums))


def test_a_changed_file_is_refused(tmp_path: Path, sums: Path) -> None:
    put_jar(tmp_path, b"tampered")
    with pytest.raises(StackError, match=r"thing-1\.0\.jar has the SHA-512 .* do not use this"):
        verify(tmp_path, read_sums(sums))


def test_a_missing_file_is_refused(tmp_path: Path, sums: Path) -> None:
    with pytest.raises(StackError, match="check the network"):
        verify(tmp_path, read_sums(sums))


@pytest.mark.usefixtures("own_cache")
def test_downloads_are_verified_before_they_are_used(
    sums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = Jars(sums)
    monkeypatch.setattr(Jars, "_fetch", lambda _, folder: put_jar(folder, b"tampered"))
    with pytest.raises(StackError, match="do not use this file"):
        jars.install()
    assert not jars.folder.exists()

    monkeypatch.setattr(Jars, "_fetch", lambda _, folder: put_jar(folder, CONTENT))
    jars.install()
    assert jars.class_path == str(jars.folder / PATH)
    assert Path(jars.class_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("own_cache")
def test_the_folder_depends_on_the_sums(sums: Path) -> None:
    before = Jars(sums).folder
    sums.write_text("")
    assert Jars(sums).folder != before


@pytest.mark.usefixtures("own_cache")
def test_a_missing_jgo_is_reported_with_a_remedy(
    sums: Path, monkeypatch: pytest.MonkeyPatch, no_package: Callable[[str], NoReturn]
) -> None:
    monkeypatch.setattr(jars_module, "distribution", no_package)
    with pytest.raises(StackError, match="jgo, which is not installed; run `pip install"):
        Jars(sums).install()


@pytest.mark.usefixtures("own_cache")
def test_a_failed_download_is_reported(
    sums: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    python = script("python", "echo 'Traceback' >&2; echo 'ConnectionError: no route' >&2; exit 1")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(StackError, match=r"could not be downloaded \(ConnectionError: no route\)"):
        Jars(sums).install()
