"""Running a program to its end."""

import os
from pathlib import Path

import pytest

from project.stack import run_program as run_program_module
from project.stack.errors import StackError
from project.stack.run_program import Finished, run


def test_output_is_interleaved() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; echo out; exit 3"], seconds=60)
    assert done == Finished(exit_code=3, output="out\nerr\nout\n")


def test_it_runs_in_the_given_folder(tmp_path: Path) -> None:
    assert run(["pwd"], seconds=60, cwd=tmp_path).output == f"{os.path.realpath(tmp_path)}\n"


def test_a_slow_program_is_reported() -> None:
    with pytest.raises(StackError, match=r"sleep did not finish within 0\.05 s"):
        run(["sleep", "600"], seconds=0.05)


@pytest.mark.parametrize("prefix", [[], run_program_module.setpriv_prefix()])
def test_a_missing_program_is_reported(monkeypatch: pytest.MonkeyPatch, prefix: list[str]) -> None:
    monkeypatch.setattr(run_program_module, "setpriv_prefix", lambda: prefix)
    try:
        reported = run(["/nonexistent/program"], seconds=60).output
    except StackError as error:
        reported = str(error)
    assert "/nonexistent/program" in reported
    assert "No such file" in reported
