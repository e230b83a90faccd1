"""Whether this process has been asked to stop, for answers that would never end by themselves.

A server that drains waits for its open answers before it tells the application anything, so a
stream has to see the signal itself.
"""

import signal
import threading
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopFlag:
    """Rises with SIGTERM or SIGINT; whoever had the signal before still gets it."""

    def __init__(self) -> None:
        self.raised = False
        self._watching = False

    def watch(self) -> None:
        """Begin; only the main thread can, and in a process whose server installed its own."""
        if self._watching or threading.current_thread() is not threading.main_thread():
            return
        self._watching = True
        for number in _SIGNALS:
            self._put_before(number)

    def _put_before(self, number: int) -> None:
        before = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None) -> None:
            self.raised = True
            if callable(before):
                before(number, frame)

        if callable(before):
            signal.signal(number, handle)


stop_flag = StopFlag()
