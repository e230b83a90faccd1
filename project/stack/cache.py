"""The folder outside the checkout where downloads stay, and how they get there."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from project.stack.errors import StackError


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/storyfeed`, or `~/.cache/storyfeed`; made when it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "storyfeed"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"The cache folder {folder} cannot be made ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder you can write to."
        ) from error
    return folder


def build_once(target: Path, build: Callable[[Path], None]) -> None:
    """Call `build(new_folder)` and rename the folder to `target`, unless that exists.

    Whoever sees `target` sees it whole. Of several processes one builds and the
    others wait. What an interrupted build left behind is removed first.
    """
    if target.exists():
        return
    with _locked(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return
        unfinished = target.with_name(f"{target.name}.unfinished")
        _remove(unfinished)
        unfinished.mkdir(parents=True)
        build(unfinished)
        unfinished.rename(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file lock; the kernel drops it when the holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mounted_inside(folder: Path, mounts: str) -> list[str]:
    """The mount points below `folder`, of a text like `/proc/self/mounts`."""
    points = [line.split()[1] for line in mounts.splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _remove(folder: Path) -> None:
    """Remove a half-built folder, but never through a mount point inside it."""
    mounts = Path("/proc/self/mounts")
    text = mounts.read_text() if mounts.exists() else ""
    if inside := mounted_inside(folder, text):
        raise StackError(
            f"An interrupted build left {inside[0]} mounted; run `umount {inside[0]}`, "
            "then try again."
        )
    if folder.exists():
        shutil.rmtree(folder)
