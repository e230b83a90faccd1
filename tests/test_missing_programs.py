"""What tests do on a machine that lacks a program."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.production import engine
from tests.support import nginx

ERRORS = [FileNotFoundError("apt-get"), subprocess.CalledProcessError(100, "apt-get")]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("user", "outcome"), [(0, Exception), (1000, pytest.skip.Exception)])
def test_a_test_is_skipped_if_only_root_could_download_nginx(
    error: Exception,
    user: int,
    outcome: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> NoReturn:
        raise error

    monkeypatch.setattr(nginx, "program", missing)
    monkeypatch.setattr(os, "geteuid", lambda: user)

    with pytest.raises(outcome, match="apt-get"), nginx.behind_nginx({}, tmp_path):
        pass


@pytest.mark.parametrize("program", ["dockerd", "docker-compose", "node", "npm"])
def test_a_separate_engine_names_a_missing_program(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else name)

    assert engine.missing().startswith(f"{program} is missing (Debian's packages docker.io")
