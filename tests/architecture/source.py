"""The source code as data: the modules, their imports and their functions."""

import ast
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("cdc", "project", "stories", "users")


def sources() -> list[Path]:
    """Return all source files except migrations and tests."""
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    )


def name_of(path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {name_of(path): ast.parse(path.read_text()) for path in sources()}


def imports_of(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Map each module to all modules that it imports. `trees` has the modules by name."""
    return {name: set(_imported(tree, trees)) for name, tree in trees.items()}


def _imported(tree: ast.AST, modules: Container[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name if name in modules else node.module for name in names]


IMPORTS = imports_of(TREES)
"""Maps each module to all modules that it imports, including modules of this project."""


def inside(module: str, package: str) -> bool:
    """Return whether a module is the package or belongs to it."""
    return module == package or module.startswith(f"{package}.")


def members(package: str) -> list[str]:
    """Return the modules of a package. Fail if the package does not exist."""
    found = [name for name in TREES if inside(name, package)]
    assert found, f"{package} is named in a rule but does not exist"
    return found


def reached(module: str, imports: Mapping[str, set[str]] = IMPORTS) -> set[str]:
    """Return all modules that a module imports, directly or indirectly."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in imports.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield each function with the name of its module."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node
