"""Daemons: one step after the other until a signal, with a stop that no service can hold up."""

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
"""From the first signal to the end, whatever is away; a promise says 5 s."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LONGEST_PAUSE = 1.0


class Clock(Protocol):
    """What logic asks for the time; tests advance it."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def monotonic(self) -> float:
        """Return seconds that only rise."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that only rise."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Stop:
    """Turns SIGTERM and SIGINT into `requested`, as a context manager in the main thread.

    The first signal asks for a stop. A second one, or `grace` seconds, end the process at once:
    all that this program does is safe to be cut off, so waiting longer gains nothing. The signals
    are watched by a thread, because Python's own handlers run only between two steps of the main
    thread, which may be waiting inside a client library for a service that is away.
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
        signal.set_wakeup_fd(self._old_descriptor)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._writer.close()

    @contextmanager
    def bounding_errors(self) -> Iterator[None]:
        """Let an error that leaves this block end the process within the grace, with exit code 1.

        Without it a client that cannot be closed would keep a process that has failed, and its
        supervisor would wait for its end for ever.
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
    """Call `run_once` until `stopped` says so.

    It returns True when there is more to do at once, else `pause` is called. A Retryable error is
    reported with the seconds until the next attempt, which grow to 1; any other error ends the run.
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
    """Return the seconds to wait after so many failures in a row, with jitter, at most 1."""
    longest: float = min(_LONGEST_PAUSE, 0.05 * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311 -- spreads retries, guards nothing
