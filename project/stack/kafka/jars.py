"""Kafka's jars: pinned by `kafka.sha512`, fetched once into the cache folder.

A line of `kafka.sha512` is `SUM  GROUP/AS/PATH/ARTIFACT/VERSION/FILE.jar`, the
layout of a Maven repository, so `sha512sum --check` reads it too. `fetch_jars.py`
writes a new one for another version.
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
    """Path in the repository -> SHA-512 in hexadecimal."""
    pairs = (line.split() for line in file.read_text().splitlines() if line.strip())
    return {path: digest for digest, path in pairs}


def sha512(file: Path) -> str:
    """The SHA-512 of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha512").hexdigest()


def verify(folder: Path, sums: dict[str, str]) -> None:
    """StackError unless every file of `sums` is in `folder` with its sum."""
    for path, expected in sums.items():
        file = folder / path
        if not file.exists():
            raise StackError(f"{path} is missing from {folder}; check the network and try again.")
        if (found := sha512(file)) != expected:
            raise StackError(
                f"{file.name} has the SHA-512 {found[:16]}…, not the {expected[:16]}… that "
                f"{SUMS_FILE.name} demands; do not use it, and find out who changed it."
            )


class Jars:
    """The folder of verified jars; its name holds the digest of the sums file.

    The folder is renamed into place after the sums were checked, so that it exists
    is the proof that they were.
    """

    def __init__(self, sums_file: Path = SUMS_FILE) -> None:
        self._sums_file = sums_file
        self.folder = cache_folder() / f"kafka-{sha512(sums_file)[:16]}"

    @property
    def class_path(self) -> str:
        """What `java -cp` wants; the jars need not be installed yet."""
        return ":".join(str(self.folder / path) for path in read_sums(self._sums_file))

    def install(self) -> None:
        """Fetch and verify (about 4 s, 43 MB) unless that was done before."""
        build_once(self.folder, self._build)

    def _build(self, folder: Path) -> None:
        try:
            distribution("jgo")
        except PackageNotFoundError as error:
            raise StackError(
                "Kafka's jars are fetched by the Python package jgo, which is not installed; "
                "run `pip install -r requirements.txt`."
            ) from error
        self._fetch(folder)
        verify(folder, read_sums(self._sums_file))

    def _fetch(self, folder: Path) -> None:
        command = [sys.executable, "-m", "project.stack.kafka.fetch_jars", str(folder)]
        # A process of its own: it takes jgo's 0.3 s of imports and its threads with it.
        done = run(
            [*command, str(self._sums_file.resolve())], seconds=FETCH_SECONDS, cwd=PROJECT_ROOT
        )
        if done.exit_code != 0:
            raise StackError(
                f"Kafka's jars could not be fetched ({summary_line(done.output)}); "
                "check that the Maven repository can be reached and try again."
            )
