"""The daemons' main loop, and a stop that an unresponsive service cannot delay."""

import faulthandler
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Protocol, Self

from cdc.errors import Retryable

GRACE_SECONDS = 4.5
"""The maximum number of seconds from the first signal to the exit. The documented limit is 5."""
_LAST_SECONDS = 0.4
"""How long after the grace period the process is ended even if no Python thread can run."""
_STANDARD_ERROR = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LONGEST_PAUSE = 1.0


class Clock(Protocol):
    """A source of time that tests can control."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Stop:
    """Sets `requested` on SIGTERM and SIGINT; a context manager for the main thread.

    The first signal requests a stop. After a second signal, or after `grace` seconds, the process
    exits at once. This is safe, because the processes tolerate a kill at any point. A thread
    watches for the signals, because Python's own handlers do not run while the main thread is
    blocked inside a client library. If the library also holds Python's global lock, that thread
    cannot run either: a timer of the interpreter then logs all stacks and exits with code 1.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.requested = False
        self._grace = grace

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._old = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        self._old_descriptor = signal.set_wakeup_fd(self._writer.fileno())
        threading.Thread(target=self._watch, args=(self._reader,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        faulthandler.cancel_dump_traceback_later()
        signal.set_wakeup_fd(self._old_descriptor)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._writer.close()

    @contextmanager
    def bounding_errors(self) -> Iterator[None]:
        """After an error in the block, end the process with code 1 if it lives `grace` s longer.

        Without this limit, a client that cannot be closed would keep a failed process alive, and
        the supervisor would never restart the process.
        """
        failed = True
        try:
            yield
            failed = False
        finally:
            if failed:
                timer = threading.Timer(self._grace, os._exit, (1,))
                timer.daemon = True
                timer.start()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        limit = self._grace + _LAST_SECONDS
        faulthandler.dump_traceback_later(limit, exit=True, file=_STANDARD_ERROR)

    def _watch(self, reader: socket.socket) -> None:
        with reader:
            if not reader.recv(1):
                return
            self.requested = True
            reader.settimeout(self._grace)
            try:
                second = reader.recv(1)
            except TimeoutError:
                os._exit(0)
            if second:
                os._exit(128 + second[0])


def run_until_stopped(
    run_once: Callable[[], bool],
    *,
    stopped: Callable[[], bool],
    on_retry: Callable[[Retryable, float], None],
    pause: Callable[[], None],
    clock: Clock,
) -> None:
    """Call `run_once` until `stopped` returns True.

    If `run_once` returns True, it is called again at once. If it returns False, `pause` is called
    first. A Retryable error is passed to `on_retry` with the number of seconds until the next
    attempt, which grows to at most 1. Any other error is raised.
    """
    failures = 0
    while not stopped():
        try:
            more = run_once()
        except Retryable as error:
            delay = backoff(failures)
            failures += 1
            on_retry(error, delay)
            clock.sleep(delay)
            continue
        failures = 0
        if not more:
            pause()


def backoff(failures: int) -> float:
    """Return the seconds to wait after this many consecutive failures: at most 1, with jitter."""
    longest: float = min(_LONGEST_PAUSE, 0.05 * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311 -- spreads retries; not for security
