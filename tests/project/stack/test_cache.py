"""A cached folder is built once, and is either complete or absent."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from project.stack.cache import build_once, cache_folder, mounted_inside
from project.stack.errors import StackError


def test_the_cache_follows_xdg(own_cache: Path) -> None:
    assert cache_folder() == own_cache
    assert own_cache.is_dir()


def test_an_unwritable_cache_is_reported_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StackError, match="set XDG_CACHE_HOME"):
        cache_folder()


def test_what_is_built_is_not_built_again(tmp_path: Path) -> None:
    built: list[Path] = []
    for _ in range(2):
        build_once(tmp_path / "tree", built.append)
    assert len(built) == 1
    assert (tmp_path / "tree").is_dir()


def test_of_two_builders_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    target = tmp_path / "tree"
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        time.sleep(0.05)
        (folder / "whole").touch()

    def run(_: int) -> bool:
        build_once(target, build)
        return (target / "whole").exists()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(4)))
    assert len(built) == 1


def test_a_failed_build_leaves_no_target_and_the_next_starts_clean(tmp_path: Path) -> None:
    target = tmp_path / "tree"

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise StackError("no network")

    with pytest.raises(StackError, match="no network"):
        build_once(target, fail)
    assert not target.exists()
    build_once(target, lambda folder: (folder / "whole").touch())
    assert [file.name for file in target.iterdir()] == ["whole"]


def test_mount_points_inside_a_folder_are_found_and_others_are_not() -> None:
    mounts = "proc /c/sid.unfinished/proc proc rw 0 0\nproc /proc proc rw 0 0\n"
    assert mounted_inside(Path("/c/sid.unfinished"), mounts) == ["/c/sid.unfinished/proc"]
    assert mounted_inside(Path("/c/sid"), mounts) == []
