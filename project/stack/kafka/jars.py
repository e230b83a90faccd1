"""Kafka's jars: pinned by `kafka.sha512`, downloaded once into the cache folder.

Each line of `kafka.sha512` contains a checksum and a path in a Maven repository:
`SUM  GROUP/AS/PATH/ARTIFACT/VERSION/FILE.jar`. `sha512sum --check` can read this file, and
`fetch_jars.py --lock` prints it for another version of Kafka.
"""

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from project.stack.cache import build_once, cache_folder
from project.stack.errors import StackError
from project.stack.output_summary import summary_line
from project.stack.run_program import run

SUMS_FILE = Path(__file__).with_name("kafka.sha512")
PROJECT_ROOT = Path(__file__).resolve().parents[3]
FETCH_SECONDS = 600.0


def read_sums(file: Path) -> dict[str, str]:
    """Return the SHA-512, in hexadecimal, of each path in the Maven repository."""
    pairs = (line.split() for line in file.read_text().splitlines() if line.strip())
    return {path: digest for digest, path in pairs}


def sha512(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha512").hexdigest()


def verify(folder: Path, sums: dict[str, str]) -> None:
    """Raise StackError if a file of `sums` is missing in `folder` or has a different checksum."""
    for path, expected in sums.items():
        file = folder / path
        if not file.exists():
            raise StackError(f"{path} is missing from {folder}; check the network and try again.")
        if (found := sha512(file)) != expected:
            raise StackError(
                f"{file.name} has the SHA-512 {found[:16]}… instead of {expected[:16]}… "
                f"({SUMS_FILE.name}); do not use this file, and find out who changed it."
            )


class Jars:
    """The folder of verified jars. The digest of the sums file is part of the folder's name.

    The folder gets this name after the verification, so an existing folder has verified jars.
    """

    def __init__(self, sums_file: Path = SUMS_FILE) -> None:
        self._sums_file = sums_file
        self.folder = cache_folder() / f"kafka-{sha512(sums_file)[:16]}"

    @property
    def class_path(self) -> str:
        """The argument of `java -cp`. The jars need not be installed."""
        return ":".join(str(self.folder / path) for path in read_sums(self._sums_file))

    def install(self) -> None:
        """Download (43 MB) and verify the jars, unless they are already installed."""
        build_once(self.folder, self._build)

    def _build(self, folder: Path) -> None:
        try:
            distribution("jgo")
        except PackageNotFoundError as error:
            raise StackError(
                "Kafka's jars are downloaded by the Python package jgo, which is not installed; "
                "run `pip install -r requirements.txt`."
            ) from error
        self._fetch(folder)
        verify(folder, read_sums(self._sums_file))

    def _fetch(self, folder: Path) -> None:
        command = [sys.executable, "-m", "project.stack.kafka.fetch_jars", str(folder)]
        # jgo runs in its own process, because its import takes 0.3 s and starts threads.
        done = run(
            [*command, str(self._sums_file.resolve())], seconds=FETCH_SECONDS, cwd=PROJECT_ROOT
        )
        if done.exit_code != 0:
            raise StackError(
                f"Kafka's jars could not be downloaded ({summary_line(done.output)}); "
                "check that the Maven repository is reachable and try again."
            )
