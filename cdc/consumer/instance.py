"""A consumer's instance name: the same after a restart, and never used twice at once."""

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
def instance_name(settings: CdcSettings) -> Iterator[str]:
    """Hold a name with the lowest number that no other consumer of this machine and home uses.

    Kafka gives a static member that returns under its old name its partitions at once; under a new
    name, they would wait for the old session to expire. The number is held by a file lock, which
    the operating system releases when the process dies. If no file can be written, the name
    contains the process id instead.
    """
    home = hashlib.sha256(str(settings.home.absolute()).encode()).hexdigest()[:8]
    try:
        number, lock = _lowest_free(settings.home / "consumers")
    except OSError:
        yield f"{socket.gethostname()}-{home}-p{os.getpid()}"
        return
    with lock:
        yield f"{socket.gethostname()}-{home}-{number}"


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
    raise AssertionError("unreachable: the count is endless")
