"""Another revision is checked out next to this tree, and removed again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from project.stack.errors import StackError
from tests.bench.against.worktree import worktree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(root: Path, *arguments: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", "-C", str(root), *author, *arguments],
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},  # it could ask for signatures
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with two commits, and a test that is not committed."""
    root = tmp_path / "repository"
    (root / "tests").mkdir(parents=True)
    git(root, "init", "--quiet")
    for number in (1, 2):
        (root / "code.py").write_text(f"{number}")
        (root / "tests" / "bench.py").write_text(f"{number}")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", f"{number}")
    (root / "tests" / "bench.py").write_text("3")
    return root


def test_code_is_that_of_the_revision_and_tests_are_of_this_tree(
    root: Path, tmp_path: Path
) -> None:
    with worktree("HEAD~1", tmp_path, root) as tree:
        assert (tree / "code.py").read_text() == "1"
        assert (tree / "tests" / "bench.py").read_text() == "3"
    assert not tree.exists()
    assert len(git(root, "worktree", "list").splitlines()) == 1


def test_worktree_is_removed_after_an_interruption(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit), worktree("HEAD", tmp_path, root):
        raise SystemExit(130)
    assert len(git(root, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("revision", ["unknown", "--all"])
def test_unknown_revision_is_reported(root: Path, tmp_path: Path, revision: str) -> None:
    with pytest.raises(StackError, match="no such revision"), worktree(revision, tmp_path, root):
        pass
