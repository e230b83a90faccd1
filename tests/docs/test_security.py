"""Each requirement listed as met in docs/security.md names tests, and these tests exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
MET = PAGE.partition("## Met")[2].partition("## Not met")[0]
ROWS = [line for line in MET.splitlines() if re.match(r"\| \d", line)]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def functions(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split()[1])
def test_a_requirement_that_is_met_names_its_tests(row: str) -> None:
    named = _TEST.findall(row)
    assert named, row
    assert [name for file, name in named if name not in functions(ROOT / file)] == []


def test_requirements_are_listed_once_and_in_order() -> None:
    numbers = [tuple(map(int, row.split()[1].split("."))) for row in ROWS]
    assert numbers == sorted(set(numbers))
    assert all(row.split("|")[2].strip() in {"1", "2"} for row in ROWS)
