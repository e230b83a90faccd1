"""The source as the rules see it: modules, what each imports, and the folder that each is in."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("cdc", "project", "stories", "users")


def sources() -> list[Path]:
    """Return every source file of ours but migrations."""
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    )


def name_of(path: Path) -> str:
    """Return a file's name as a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {name_of(path): ast.parse(path.read_text()) for path in sources()}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name if name in TREES else node.module for name in names]


IMPORTS = {name: set(_imported(tree)) for name, tree in TREES.items()}
"""Module -> every module that it imports, our own submodules too."""


def inside(module: str, package: str) -> bool:
    """Return whether a module is a package or in it."""
    return module == package or module.startswith(f"{package}.")


def members(package: str) -> list[str]:
    """Return the modules of a package."""
    found = [name for name in TREES if inside(name, package)]
    assert found, f"{package} is named in a rule and does not exist"
    return found


def reached(module: str) -> set[str]:
    """Return what a module imports, directly and through others."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in IMPORTS.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield each function with the name of its module."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node
