"""Fixtures for tests of the stack: shell scripts instead of programs, an empty cache folder."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest

Script = Callable[[str, str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Return a function that writes an executable shell script with a name and a text."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / "programs" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    return write


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty cache folder instead of the user's. Return its path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "storyfeed"


@pytest.fixture
def no_package() -> Callable[[str], NoReturn]:
    """Return a replacement for `importlib.metadata.distribution` that finds no package."""

    def distribution(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    return distribution
