"""The rules that keep the parts apart, held against the code itself."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cdc", "project", "stories", "users")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60

# Outside library -> the only places of `cdc` that import it.
OWNERS = {"confluent_kafka": "cdc.kafka", "pymongo": "cdc.mongo", "bson": "cdc.mongo"}
# Module or package -> what it must never reach, directly or through others.
NEVER = {
    "cdc": ("stories", "users", "project"),
    "cdc.outbox.relay": ("cdc.mongo", "pymongo"),
    "cdc.consumer.consumer": ("cdc.outbox.table", "cdc.outbox.queue"),
    "cdc.capture.handlers": ("cdc.mongo", "cdc.kafka"),
    "cdc.consumer.pause": ("cdc.mongo", "cdc.kafka"),
    "cdc.jobs.table": ("cdc.mongo", "cdc.kafka"),
    "cdc.jobs.runner": ("cdc.mongo", "cdc.kafka"),
    "cdc.status.row_trace": ("cdc.kafka",),
    "cdc.capture.resend": ("cdc.mongo", "cdc.kafka"),
    "cdc.resync.comparison": ("cdc.kafka", "cdc.capture.resend", "cdc.outbox.table"),
    "cdc.status.status": ("cdc.mongo", "cdc.kafka"),
    "cdc.mongo.plan": ("django", "cdc.mongo", "cdc.kafka", "cdc.models"),
    "cdc.wire.event": ("django", "cdc.mongo", "cdc.kafka", "cdc.models"),
    "cdc.runtime.loop": ("django", "cdc.mongo", "cdc.kafka", "cdc.models"),
    "cdc.kafka": ("cdc.feed",),
    "cdc.mongo": ("cdc.feed",),
    "cdc.feed.hub": ("cdc.mongo", "cdc.kafka", "cdc.models"),
    "cdc.feed.stream": ("cdc.mongo", "cdc.kafka", "cdc.models"),
    "project.stack": ("django", "cdc", "stories", "users"),
}
# What these may import of our own at all.
ONLY = {
    "cdc.errors": (),
    "cdc.wire.records": ("cdc.errors",),
    "cdc.runtime.loop": ("cdc.errors",),
    "cdc.conf": ("cdc.errors",),
    "cdc.wire.event": ("cdc.errors",),
    "cdc.wire.topic": ("cdc.wire.records",),
    "cdc.feed.position": ("cdc.errors", "cdc.wire.topic"),
    "cdc.registry": (),
    "project.stack": ("project.stack",),
}


def sources() -> list[Path]:
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    )


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


TREES = {name_of(path): tree_of(path) for path in sources()}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported in `tree`, our own submodules too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name if name in TREES else node.module for name in names]


IMPORTS = {name: set(imported(tree)) for name, tree in TREES.items()}


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def members(package: str) -> list[str]:
    found = [name for name in TREES if inside(name, package)]
    assert found, f"{package} is named in a rule and does not exist"
    return found


def reached(module: str) -> set[str]:
    """What a module imports, and what that imports."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in IMPORTS.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node


@pytest.mark.parametrize("library", OWNERS)
def test_a_client_library_has_one_importer(library: str) -> None:
    importers = [
        name
        for name in members("cdc")
        if any(inside(other, library) for other in IMPORTS[name])
        and not inside(name, OWNERS[library])
    ]
    assert importers == []
    assert any(inside(other, library) for name in TREES for other in IMPORTS[name])


@pytest.mark.parametrize("package", NEVER)
def test_what_must_stay_apart_does(package: str) -> None:
    found = [
        f"{name} reaches {other}"
        for name in members(package)
        for other in reached(name)
        if any(inside(other, forbidden) for forbidden in NEVER[package])
    ]
    assert found == []


@pytest.mark.parametrize("package", ONLY)
def test_the_foundations_stand_on_nothing_else(package: str) -> None:
    found = [
        f"{name} imports {other}"
        for name in members(package)
        for other in IMPORTS[name]
        if other.split(".")[0] in PACKAGES
        and other != "cdc"  # the version, nothing else
        and not any(inside(other, allowed) for allowed in ONLY[package])
    ]
    assert found == []


def test_no_module_imports_in_a_circle() -> None:
    graph = {name: {other for other in IMPORTS[name] if other in TREES} for name in TREES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_imports_stand_at_the_top() -> None:
    # A registry of models can only be filled when Django is ready.
    found = [
        f"{module}.{function.name}"
        for module, function in functions()
        if not module.endswith(".apps")
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    ]
    assert found == []


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
