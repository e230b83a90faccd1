"""Checks out another revision into a temporary folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.stack.errors import StackError
from project.stack.run_program import run
from tests.support.paths import ROOT

_SECONDS = 120.0


@contextmanager
def worktree(revision: str, folder: Path) -> Iterator[Path]:
    """Yield a Git worktree of `revision` in `folder`, in which `tests` is that of this tree.

    Raise StackError if Git does not know the revision.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    tree = folder / "revision"
    try:
        _git("worktree", "add", "--detach", str(tree), commit)
        shutil.rmtree(tree / "tests", ignore_errors=True)
        shutil.copytree(
            ROOT / "tests", tree / "tests", ignore=shutil.ignore_patterns("__pycache__")
        )
        yield tree
    finally:
        if tree.exists():
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    done = run(["git", "-C", str(ROOT), *arguments], seconds=_SECONDS)
    if done.exit_code != 0:
        reason = done.output.strip() or "no such revision"
        raise StackError(f"git {' '.join(arguments)} failed: {reason}.")
    return done.output.strip()
