"""A consumer's instance name: the same after a restart, and never used twice at once."""

import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured

_PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.05


@contextmanager
def instance_name(settings: CdcSettings, given: str = "") -> Iterator[str]:
    """Hold the `given` name, or one with the lowest number that is free on this machine and home.

    Kafka gives a static member that returns under its old name its partitions at once; under a new
    name, they would wait for the old session to expire. The number is held by a file lock, which
    the operating system releases when the process dies. If no file can be written, the name
    contains the process id instead. Raises Misconfigured when another consumer of this machine and
    home has the given name; one that is stopping gets a moment.
    """
    if given:
        with _held(settings.home / "consumers", given):
            yield given
        return
    home = hashlib.sha256(str(settings.home.absolute()).encode()).hexdigest()[:8]
    try:
        number, lock = _lowest_free(settings.home / "consumers")
    except OSError:
        yield f"{socket.gethostname()}-{home}-p{os.getpid()}"
        return
    with lock:
        yield f"{socket.gethostname()}-{home}-{number}"


@contextmanager
def _held(folder: Path, name: str) -> Iterator[None]:
    file = f"named-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / file).open("w")
    except OSError:
        yield
        return
    with lock:
        _lock(lock, name)
        yield


def _lock(lock: IO[str], name: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Misconfigured(
                    f"Another process on {socket.gethostname()} consumes under the instance name "
                    f"{name!r} already: give this one another name with --instance, or stop that "
                    "one first."
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


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
