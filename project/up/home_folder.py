"""The folder where one embedded profile keeps its data, and the lock on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class HomeFolder:
    """`$STORYFEED_HOME`."""

    path: Path

    @property
    def env_file(self) -> Path:
        """What `up` chose; every command reads it."""
        return self.path / "env"

    @property
    def logs(self) -> Path:
        """One NAME.log for each child."""
        return self.path / "logs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and hold it for this process; Misconfigured while another one does.

        The kernel lets go of the lock when the holder dies, however it dies.
        """
        lock = self.path / "lock"
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            file = lock.open("a+")
        except OSError as error:
            raise Misconfigured(
                f"STORYFEED_HOME is {str(self.path)!r}, which cannot be written "
                f"({error.strerror}): name a folder of your own."
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(
                    f"`manage.py up` already runs in {self.path} (process {lock.read_text()}): "
                    "stop that one first, or set STORYFEED_HOME to another folder."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
