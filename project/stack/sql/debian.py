"""A minimal Debian file system in the cache folder, for programs of another Debian release."""

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from project.stack.cache import build_once, cache_folder
from project.stack.errors import StackError
from project.stack.output_summary import summary_line
from project.stack.run_program import run

BUILD_SECONDS = 1800.0
# Processor -> (library folder, dynamic loader).
LAYOUTS = {
    "x86_64": ("usr/lib/x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": ("usr/lib/aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
DEBOOTSTRAP_FOLDERS = "/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianTree:
    """A Debian release with some packages, installed by debootstrap."""

    release: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The location of the tree, which need not be installed."""
        return cache_folder() / "-".join((self.release, *self.packages))

    def install(self) -> None:
        """Build the tree unless it exists. If another process builds it, wait for that process."""
        if platform.system() != "Linux" or platform.machine() not in LAYOUTS:
            raise StackError(
                f"{self._what} runs on Linux on x86_64 and aarch64, not on "
                f"{platform.system()} on {platform.machine()}; run `make test DB=sqlite`."
            )
        build_once(self.folder, self._build)

    def command(self, program: str, arguments: Sequence[str] = ()) -> list[str]:
        """Return the command that runs a program of the tree with the tree's own C library.

        The command does not use chroot, so paths in `arguments` are paths of this machine.
        """
        libraries, loader = LAYOUTS[platform.machine()]
        if not self.folder.exists():
            raise StackError(f"{self._what} is not installed; call install() first.")
        start = [str(self.folder / libraries / loader), "--library-path"]
        return [*start, str(self.folder / libraries), str(self.folder / program), *arguments]

    @property
    def _what(self) -> str:
        return f"{', '.join(self.packages)} from Debian {self.release}"

    def _build(self, folder: Path) -> None:
        program = self._debootstrap()
        include = f"--include={','.join(self.packages)}"
        command = [program, "--variant=minbase", include, self.release, str(folder)]
        done = run(command, seconds=BUILD_SECONDS)
        if done.exit_code != 0:
            raise StackError(
                f"{self._what} cannot be downloaded ({summary_line(done.output)}); "
                f"check that the Debian mirror is reachable, look at {folder}/debootstrap, "
                "and try again."
            )
        # The archives are not needed any more, because the packages have been unpacked.
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)

    def _debootstrap(self) -> str:
        program = shutil.which("debootstrap") or shutil.which(
            "debootstrap", path=DEBOOTSTRAP_FOLDERS
        )
        if program is None:
            raise StackError(
                f"{self._what} is installed by debootstrap, which is missing; "
                "run `apt-get install debootstrap` as root."
            )
        if os.geteuid() != 0:
            raise StackError(
                f"{self._what} is installed by debootstrap, which needs root, but the user id is "
                f"{os.geteuid()}; run this command as root, or run `make test DB=sqlite`."
            )
        return program


MYSQL = DebianTree(release="sid", packages=("mysql-server-core",))
