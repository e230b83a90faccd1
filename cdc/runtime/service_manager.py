"""Notifies systemd that a process is ready, and that its loop is running.

The notifications are datagrams to `$NOTIFY_SOCKET` (see sd_notify(3)). Without this variable,
nothing is sent.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

_INTERVAL = 1.0
_START_MICROSECONDS = 60_000_000
_last: dict[str, float] = {}


def notify_ready() -> None:
    """Report once that the process is ready."""
    if "ready" not in _last:
        _last["ready"] = time.monotonic()
        _send("READY=1")


def notify_alive() -> None:
    """Report that the loop is running, at most once per second.

    Until the process is ready, the report extends the time limit for the start instead.
    """
    now = time.monotonic()
    if now - _last.get("alive", float("-inf")) >= _INTERVAL:
        _last["alive"] = now
        _send("WATCHDOG=1" if "ready" in _last else f"EXTEND_TIMEOUT_USEC={_START_MICROSECONDS}")


def supervised(run_once: Callable[[], bool]) -> Callable[[], bool]:
    """Return `run_once` in a wrapper that reports, at each call, that the loop is running.

    The first success reports that the process is ready.

    A call that raises Retryable also shows that the loop is running: a loop that waits for a server
    is not restarted.
    """

    def run() -> bool:
        notify_alive()
        more = run_once()
        notify_ready()
        return more

    return run


def _send(state: str) -> None:
    if address := os.environ.get("NOTIFY_SOCKET"):
        # A leading @ denotes an abstract socket. The process works without its service manager.
        path = f"\0{address[1:]}" if address.startswith("@") else address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), path)
