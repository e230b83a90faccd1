"""The data folder of an embedded profile, and its lock."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import Misconfigured

_NOT_FOR_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class HomeFolder:
    """`$STORYFEED_HOME`."""

    path: Path

    @property
    def env_file(self) -> Path:
        """The generated settings, which every command reads."""
        return self.path / "env"

    @property
    def logs(self) -> Path:
        """The folder of the log files, with one NAME.log per child process."""
        return self.path / "logs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create and lock the folder. Raise Misconfigured if another process has the lock.

        The kernel releases the lock of a process that dies. Other users of the machine cannot read
        the files that this process and its children create. They also cannot read the folder,
        unless it is shared, such as `/tmp`.
        """
        umask = os.umask(_NOT_FOR_OTHERS)
        try:
            with self._lock():
                yield
        finally:
            os.umask(umask)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = self.path / "lock"
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self._make_private()
            file = lock.open("a+")
        except OSError as error:
            raise Misconfigured(
                f"STORYFEED_HOME is {str(self.path)!r}, which is not writable "
                f"({error.strerror}): choose another folder."
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(
                    "`manage.py up` is already running in "
                    f"{self.path} (process {lock.read_text()}): "
                    "stop that process or set STORYFEED_HOME to another folder."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _make_private(self) -> None:
        """Let only the owner read the folder, unless it is shared, such as `/tmp`."""
        status = self.path.stat()
        if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
            self.path.chmod(stat.S_IRWXU)
