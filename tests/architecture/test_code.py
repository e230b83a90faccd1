"""Limits on the code: lengths, annotations, imports at the top, one broad except."""

import ast

from tests.architecture.source import TREES, functions, name_of, sources

LONGEST_FILE, LONGEST_FUNCTION = 300, 60
IMPORTS_LATE = ["cdc.progress.progress"]
"""Functions that import a package that is slow to import, and that most processes do not need."""


def test_imports_are_at_the_top() -> None:
    # Models can be registered only when Django is ready.
    found = [
        f"{module}.{function.name}"
        for module, function in functions()
        if not module.endswith(".apps")
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    ]
    assert found == IMPORTS_LATE


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{module}.{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for module, function in functions()
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_every_function_is_annotated() -> None:
    found = [
        f"{module}.{function.name}" for module, function in functions() if not annotated(function)
    ]
    assert found == []


def annotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    parameters = function.args
    named = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    rest = [given for given in (parameters.vararg, parameters.kwarg) if given]
    return function.returns is not None and all(
        parameter.annotation or parameter.arg in {"self", "cls"} for parameter in [*named, *rest]
    )


def test_at_most_one_place_catches_everything() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
    ]
    assert len(found) <= 1, found
