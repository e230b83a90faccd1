"""Copies of the checkout in which mutmut works. Each target has a copy, and can resume in it."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

SOURCES = ("cdc", "project", "stories", "users")
WORK = ROOT / "var" / "mutation"
_PRAGMA = "  # pragma: no mutate"
_LOGGERS = ("logger.", "_log.", "telemetry.log")
_PLUGINS = ("cacheprovider", "randomly", "unraisableexception")
"""pytest plugins that are disabled because they are slow."""


@dataclass(frozen=True, slots=True)
class Target:
    """A package such as `cdc/wire` or a module such as `cdc/mongo/plan.py`."""

    path: str

    @property
    def folder(self) -> Path:
        return WORK / self.path.replace("/", ".")

    @property
    def tests(self) -> str:
        """The tests of the target: a folder, or the test file of a module that has one."""
        path = Path("tests", self.path)
        file = path.with_name(f"test_{path.name}")
        return str(file) if (ROOT / file).is_file() else self.test_folder

    @property
    def test_folder(self) -> str:
        """The folder with the tests of the target's package."""
        path = Path("tests", self.path)
        return str(path.parent if path.suffix else path)

    def has(self, module: str) -> bool:
        """Return whether the target contains a module, which is given by its dotted name."""
        name = self.path.removesuffix(".py").replace("/", ".")
        return f"{module}.".startswith(f"{name}.")


def refresh(target: Target) -> None:
    """Copy the files that changed since the last run. mutmut keeps the results of other files."""
    wanted = dict(_texts(target))
    for path in _files(target.folder):
        if path not in wanted and path.parts[0] != "mutants":
            (target.folder / path).unlink()
            (target.folder / "mutants" / path).unlink(missing_ok=True)
    for path, text in wanted.items():
        copy = target.folder / path
        if not copy.is_file() or copy.read_bytes() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)
    shutil.rmtree(target.folder / "mutants" / "tests", ignore_errors=True)


def configure(target: Target, marked: str, tests: list[str]) -> None:
    """Write a pyproject.toml with mutmut's settings for a run with these tests."""
    one = target.path.endswith(".py")
    lines = {
        "source_paths": list(SOURCES),
        "only_mutate": [target.path if one else f"{target.path}/*.py"],
        "do_not_mutate": ["*/migrations/*"],
        "also_copy": ["docs", "manage.py", "templates"],
        "process_isolation": "forkserver",
        "pytest_add_cli_args": [f"-p no:{name}" for name in _PLUGINS],
        "pytest_add_cli_args_test_selection": ["-m", marked, *tests],
    }
    settings = "".join(f"{name} = {value!r}\n" for name, value in lines.items())
    project = (ROOT / "pyproject.toml").read_text()
    (target.folder / "pyproject.toml").write_text(
        f"{project}\n[tool.mutmut]\nuse_git_change_detection = false\n{settings}"
    )
    # mutmut then finds out again which tests execute which function.
    (target.folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)


def without_texts(source: str) -> str:
    """Return the source with a pragma that excludes raised errors and log statements."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and _logs(node)):
            for at in range(node.lineno - 1, node.end_lineno or node.lineno):
                if _PRAGMA not in lines[at]:
                    lines[at] += _PRAGMA
    return "\n".join(lines) + "\n"


def _logs(node: ast.Expr) -> bool:
    return ast.unparse(node).startswith(_LOGGERS)


def copy_checkout(folder: Path) -> None:
    """Copy the files of the checkout, without those that git ignores, to a new folder."""
    for name in _names():
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)


def _names() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in sorted(set(names.splitlines())) if (ROOT / name).is_file()]


def _texts(target: Target) -> Iterator[tuple[Path, bytes]]:
    for name in _names():
        if name == "pyproject.toml":
            continue
        path = ROOT / name
        mutated = name.startswith(target.path) and name.endswith(".py")
        yield Path(name), without_texts(path.read_text()).encode() if mutated else path.read_bytes()


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path.relative_to(folder) for path in found if path.name != "pyproject.toml"]
