"""Shell scripts that stand in for programs; real servers stop whatever a test does."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest

Script = Callable[[str, str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Write an executable shell script of this name and text."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / "programs" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    return write


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder in place of the person's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "storyfeed"


@pytest.fixture
def no_package() -> Callable[[str], NoReturn]:
    """A stand-in for `importlib.metadata.distribution` where nothing is installed."""

    def distribution(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    return distribution
