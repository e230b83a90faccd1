"""How a process stops after a signal, even if a service or a client does not respond.

A daemon uses Stop. A web process uses the flag: a server that shuts down waits for its open
responses before it informs the application, so a stream has to watch for the signal itself.
"""

import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from cdc.errors import CdcError
from cdc.runtime import telemetry

GRACE_SECONDS = 4.5
"""The maximum number of seconds from the first signal to the exit. The documented limit is 5."""
_LAST_SECONDS = 0.4
"""If no Python thread can run, the process is ended this long after the grace period."""
_STANDARD_ERROR = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


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
        the supervisor would never restart the process. The error is then logged here, because no
        caller receives it in time.
        """
        failed = True
        try:
            yield
            failed = False
        finally:
            if failed:
                timer = threading.Timer(self._grace, _end_failed, (sys.exception(),))
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


def _end_failed(error: BaseException | None) -> None:
    """Log the error and end the process with code 1, even if a log handler blocks."""
    faulthandler.dump_traceback_later(_LAST_SECONDS, exit=True, file=_STANDARD_ERROR)
    if isinstance(error, CdcError):
        telemetry.log(_log, logging.ERROR, telemetry.COMMAND_FAILED, error=str(error), exit_code=1)
    else:
        _log.critical(telemetry.COMMAND_CRASHED, exc_info=error)
    os._exit(1)


class StopFlag:
    """A flag that SIGTERM and SIGINT set; previously installed handlers still run."""

    def __init__(self) -> None:
        self.raised = False
        self._watching = False

    def watch(self) -> None:
        """Wrap the existing handlers of the signals, once; do nothing outside the main thread."""
        if self._watching or threading.current_thread() is not threading.main_thread():
            return
        self._watching = True
        for number in _SIGNALS:
            self._chain(number)

    def _chain(self, number: int) -> None:
        before = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None) -> None:
            self.raised = True
            if callable(before):
                before(number, frame)

        if callable(before):
            signal.signal(number, handle)


stop_flag = StopFlag()
