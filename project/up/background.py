"""One slow task beside the main thread, which goes on listening to signals."""

import threading
from collections.abc import Callable

from project.stack.errors import StackError


class Background:
    """Runs `task` in a thread; the process may end without waiting for it."""

    def __init__(self, task: Callable[[], None]) -> None:
        self._task = task
        self._error: StackError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Return whether it ended; raises the StackError that it ended with."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def done_within(self, seconds: float) -> bool:
        """Wait for so long, then do the same."""
        self._thread.join(seconds)
        return self.done()

    def _run(self) -> None:
        try:
            self._task()
        except StackError as error:
            self._error = error
