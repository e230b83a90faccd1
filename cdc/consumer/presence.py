"""Prevents two consumers from using one instance name: the consumer that starts later fails."""

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdc.errors import Misconfigured, Retryable
from cdc.mongo.instances import Instances, Process, Sighting
from cdc.runtime.clock import Clock
from cdc.runtime.threads import start_thread

SILENT_SECONDS = 3.0
"""A process without a heartbeat for this time is considered dead."""
_BEAT_SECONDS = 1.0
_TWIN_SECONDS = 1.5
"""The time without a heartbeat after which a process that has probably ended is considered dead.

It is longer than the time between two heartbeats.
"""
_POLL_SECONDS = 0.1
_START_TIME = 19
"""The index of the start time among the fields that follow the name in `/proc/PID/stat`."""


class Presence:
    """Reserves an instance name for this process, with a heartbeat in MongoDB every second.

    Without this reservation, Kafka would remove the older of two processes with the same name from
    the group. A supervisor would restart the removed process, which would then replace the newer
    process, and so on. A process that is known to have ended is replaced at once.
    """

    def __init__(self, instances: Instances, name: str, clock: Clock) -> None:
        self._instances = instances
        self._name = name
        self._clock = clock
        self._stopped = threading.Event()
        self.process = this_process()

    def claim(self) -> None:
        """Reserve the name; raise Misconfigured if another process uses it.

        Raise Retryable if MongoDB is unavailable.
        """
        self._instances.prepare()
        taken = False
        while not taken:
            last = self._instances.read()
            if last is not None and not ended(last.process, seen_by=self.process):
                twin = _may_be_restarted(last.process, seen_by=self.process)
                self._await_silence(last, _TWIN_SECONDS if twin else SILENT_SECONDS)
            taken = self._instances.take(self.process, last)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Store heartbeats in a separate thread, so that a slow batch does not delay them."""
        start_thread("presence", self._run, stopped=self._stopped.is_set)
        try:
            yield
        finally:
            self._stopped.set()
            with suppress(Retryable):
                self._instances.release(self.process)

    def _await_silence(self, last: Sighting, seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds - last.seconds_ago
        while self._clock.monotonic() < deadline:
            self._clock.sleep(_POLL_SECONDS)
            now = self._instances.read()
            if now is None or now.process != last.process:
                return
            if now.beat != last.beat:
                raise Misconfigured(
                    f"Process {last.process.pid} on {last.process.host} already uses the "
                    f"instance name {self._name!r}: give this consumer a different name with "
                    "--instance, or stop that process first."
                )

    def _run(self) -> None:
        while not self._stopped.wait(_BEAT_SECONDS):
            with suppress(Retryable):
                self._instances.beat(self.process)


def this_process() -> Process:
    return Process(
        token=uuid.uuid4().hex,
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_start_time(os.getpid()) or "",
    )


def ended(process: Process, *, seen_by: Process) -> bool:
    """Return whether a process is known to have ended.

    `seen_by` is this process.
    """
    if process.host != seen_by.host or process.machine != seen_by.machine:
        return False
    if process.pid == seen_by.pid:
        return bool(process.machine)
    return _start_time(process.pid) != process.started


def _may_be_restarted(process: Process, *, seen_by: Process) -> bool:
    """Return whether a process has the host name and the process id of this process.

    If it has, its container was probably restarted. But two containers that run at the same time
    can also have the same host name and process id, if both use the network of their host.
    """
    return (process.host, process.pid) == (seen_by.host, seen_by.pid)


def _machine() -> str:
    """Return text that identifies this boot and the process namespace; empty without /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """Return the start time of a process: empty without /proc, None if the process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # The process exists but belongs to another user.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_START_TIME]
