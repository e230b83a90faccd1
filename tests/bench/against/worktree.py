"""Checks out another revision into a temporary folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.stack.errors import StackError
from project.stack.run_program import run
from tests.support.paths import ROOT

_SECONDS = 120.0
_CACHES = shutil.ignore_patterns("__pycache__")


@contextmanager
def worktree(revision: str, folder: Path, root: Path = ROOT) -> Iterator[Path]:
    """Yield a Git worktree of `revision` in `folder`, with the `tests` of `root`.

    Raise StackError if Git does not know the revision.
    """
    name = f"{revision}^{{commit}}"
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
    tree = folder / "revision"
    try:
        _git(root, "worktree", "add", "--detach", str(tree), commit)
        shutil.rmtree(tree / "tests", ignore_errors=True)
        shutil.copytree(root / "tests", tree / "tests", ignore=_CACHES)
        yield tree
    finally:
        if tree.exists():
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> str:
    done = run(["git", "-C", str(root), *arguments], seconds=_SECONDS)
    if done.exit_code != 0:
        reason = done.output.strip() or "no such revision"
        raise StackError(f"git {' '.join(arguments)} failed: {reason}.")
    return done.output.strip()
