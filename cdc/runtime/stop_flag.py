"""A flag that is set when a web process must stop, for responses that never end.

A server that shuts down waits for its open responses before it informs the application. A stream
therefore has to watch for the signal itself.
"""

import signal
import threading
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
