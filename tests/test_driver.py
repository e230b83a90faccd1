"""The driver of the whole run: its last line and its exit code can be trusted."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from project.console import Console
from tests.__main__ import last_line, run_pytest, selections

ALL = {"mysql": "mysql://a/", "mariadb": "mysql://b/", "sqlite": "sqlite:///c"}


def test_the_last_line_of_a_complete_run() -> None:
    assert last_line({"mysql": 0, "sqlite": 0}, {}, []) == (
        "storyfeed tests: passed. Run: the whole suite on mysql, the database tests on sqlite. "
        "Not run: nothing."
    )


def test_a_failure_and_what_was_not_run_are_named() -> None:
    line = last_line({"mariadb": 1, "sqlite": 0}, {"mysql": "no root"}, [])
    assert "FAILED on mariadb." in line
    assert line.endswith("Not run: mysql (no root).")


def test_a_run_of_some_tests_does_not_claim_the_suite() -> None:
    assert "Run: pytest tests/cdc on sqlite" in last_line({"sqlite": 0}, {}, ["tests/cdc"])


def test_sqlite_alone_says_that_it_needs_no_root() -> None:
    assert last_line({"sqlite": 0}, {}, []).endswith("This part needs no root.")
    assert "needs no root" not in last_line({"mysql": 0, "sqlite": 0}, {}, [])


def test_a_run_that_a_signal_ended_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(*_: Any, **__: Any) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.CompletedProcess([], -9)

    monkeypatch.setattr(subprocess, "run", killed)
    assert run_pytest("mysql", "mysql://a/", {}, [], Console()) > 0
    assert "pytest on mysql was cut off (code -9)" in capsys.readouterr().out


def test_the_others_run_what_depends_on_a_database() -> None:
    assert selections(ALL, 1, whole=True) == [["-m", "database"]]


def test_the_browser_has_a_run_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: Path("/usr/bin") / name)
    assert selections(ALL, 0, whole=True) == [["-m", "not browser"], ["-m", "browser"]]


def test_without_all_servers_their_own_tests_are_left_out() -> None:
    chosen = selections({"sqlite": "sqlite:///c"}, 0, whole=False)
    assert chosen == [["--ignore=tests/project/stack/test_sql_server.py"]]
