"""Installing the Debian tree, with a shell script instead of debootstrap."""

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.stack.sql.debian import DebianTree

Script = Callable[[str, str], Path]

TREE = DebianTree(release="sid", packages=("mysql-server-core",))

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def debootstrap(monkeypatch: pytest.MonkeyPatch, script: Script) -> Callable[[str], None]:
    """Return a function that replaces debootstrap with a script with a given text."""

    def install(text: str) -> None:
        folder = script("debootstrap", text).parent
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return install


@pytest.mark.usefixtures("as_root")
def test_the_tree_is_built_once(debootstrap: Callable[[str], None]) -> None:
    debootstrap('echo "$@" >> "$4/arguments"; mkdir -p "$4/var/cache/apt/archives"')
    TREE.install()
    TREE.install()
    arguments = (TREE.folder / "arguments").read_text().splitlines()
    assert len(arguments) == 1
    assert arguments[0].startswith("--variant=minbase --include=mysql-server-core sid ")
    assert not (TREE.folder / "var/cache/apt/archives").exists()


@pytest.mark.usefixtures("as_root")
def test_a_failed_build_is_reported_and_leaves_no_tree(debootstrap: Callable[[str], None]) -> None:
    debootstrap("echo 'E: Failed getting release file' >&2; exit 1")
    with pytest.raises(StackError, match=r"\(E: Failed getting release file\).*try again"):
        TREE.install()
    assert not TREE.folder.exists()


def test_a_missing_root_is_reported_with_a_remedy(
    debootstrap: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    debootstrap("exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StackError, match=r"needs root, but the user id is 1000; .*DB=sqlite"):
        TREE.install()


def test_a_missing_debootstrap_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(StackError, match="run `apt-get install debootstrap` as root"):
        TREE.install()


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_an_unsupported_platform_is_reported(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(StackError, match=f"not on {system} on {machine}"):
        TREE.install()


def test_a_program_runs_with_the_trees_own_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(StackError, match="not installed"):
        TREE.command("usr/sbin/mysqld")
    TREE.folder.mkdir()
    libraries = TREE.folder / "usr/lib/aarch64-linux-gnu"
    assert TREE.command("usr/sbin/mysqld") == [
        str(libraries / "ld-linux-aarch64.so.1"),
        "--library-path",
        str(libraries),
        str(TREE.folder / "usr/sbin/mysqld"),
    ]
