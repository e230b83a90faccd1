"""The cache folder for downloads, outside the checkout."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from project.stack.errors import StackError


def cache_folder() -> Path:
    """Create and return `$XDG_CACHE_HOME/storyfeed` (by default `~/.cache/storyfeed`)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "storyfeed"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"The cache folder {folder} cannot be created ({error.strerror}); "
            "set XDG_CACHE_HOME to a writable folder."
        ) from error
    return folder


def build_once(target: Path, build: Callable[[Path], None]) -> None:
    """Build the folder `target` unless it exists.

    `build` fills a temporary folder, which is then renamed to `target`. `target` is therefore
    always complete. If several processes call this function, one process builds the folder and the
    others wait. The leftovers of an interrupted build are removed first.
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
    """Lock a file. The kernel releases the lock if the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mounted_inside(folder: Path, mounts: str) -> list[str]:
    """Return the mount points under `folder`. `mounts` has the format of `/proc/self/mounts`."""
    points = [line.split()[1] for line in mounts.splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _remove(folder: Path) -> None:
    """Remove an incomplete folder. Raise StackError if something is mounted inside the folder."""
    mounts = Path("/proc/self/mounts")
    text = mounts.read_text() if mounts.exists() else ""
    if inside := mounted_inside(folder, text):
        raise StackError(
            f"An interrupted build left {inside[0]} mounted; run `umount {inside[0]}` "
            "and try again."
        )
    if folder.exists():
        shutil.rmtree(folder)
