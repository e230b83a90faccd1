"""A consumer's name in its group: the same after a restart, never twice at once."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

from cdc.conf import CdcSettings


@contextmanager
def member_name(settings: CdcSettings) -> Iterator[str]:
    """Hold the lowest number that no other consumer of this machine and home holds, as a name.

    A static member that comes back under its old name gets its partitions at once; under a new
    name they would wait for the old one's session to lapse. The number is a file lock, which the
    operating system frees when the process dies. Where no file can be written the name is the
    process's own.
    """
    place = hashlib.sha256(str(settings.home.absolute()).encode()).hexdigest()[:8]
    try:
        number, lock = _lowest_free(settings.home / "consumers")
    except OSError:
        yield f"{socket.gethostname()}-{place}-p{os.getpid()}"
        return
    with lock:
        yield f"{socket.gethostname()}-{place}-{number}"


def _lowest_free(folder: Path) -> tuple[int, IO[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        lock = (folder / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return number, lock
    raise AssertionError("counting has no end")
