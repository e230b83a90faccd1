"""Programs that run to their end."""

import os
from pathlib import Path

import pytest

from project.stack import run_program as run_program_module
from project.stack.errors import StackError
from project.stack.run_program import Finished, run


def test_what_it_wrote_comes_in_order() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; echo out; exit 3"], seconds=60)
    assert done == Finished(exit_code=3, output="out\nerr\nout\n")


def test_it_runs_where_it_is_told(tmp_path: Path) -> None:
    assert run(["pwd"], seconds=60, cwd=tmp_path).output == f"{os.path.realpath(tmp_path)}\n"


def test_too_slow_is_said() -> None:
    with pytest.raises(StackError, match=r"sleep did not finish within 0\.05 s"):
        run(["sleep", "600"], seconds=0.05)


@pytest.mark.parametrize("prefix", [[], run_program_module.setpriv_prefix()])
def test_a_program_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, prefix: list[str]
) -> None:
    monkeypatch.setattr(run_program_module, "setpriv_prefix", lambda: prefix)
    try:
        said = run(["/nonexistent/program"], seconds=60).output
    except StackError as error:
        said = str(error)
    assert "/nonexistent/program" in said
    assert "No such file" in said
