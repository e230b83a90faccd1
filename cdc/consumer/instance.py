"""Reserves a consumer's instance name, which only one process may use at a time."""

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
    """Reserve the `given` name, or a name with the lowest number that is free in `settings.home`.

    If a process rejoins its group with its old name, Kafka returns its partitions at once. With a
    new name, the partitions would wait until the old session has expired. A file lock reserves the
    name; the operating system releases the lock when the process ends. If no file can be written, a
    given name is used without a lock, and any other name contains the process id instead of a
    number. Raise Misconfigured if another process keeps the given name for 3 s.
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
                    f"Another process on {socket.gethostname()} already uses the instance name "
                    f"{name!r}: give this consumer a different name with --instance, or stop that "
                    "process first."
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
