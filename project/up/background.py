"""Runs a slow task in a thread while the main thread handles signals."""

import threading
from collections.abc import Callable

from cdc.commands import attempt
from project.stack.errors import StackError


class Background:
    """Runs `task` in a daemon thread."""

    def __init__(self, task: Callable[[], None]) -> None:
        self._task = task
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Return whether the task has ended. If the task failed, raise its error."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def done_within(self, seconds: float) -> bool:
        """Wait for at most `seconds`, then return `done()`."""
        self._thread.join(seconds)
        return self.done()

    def _run(self) -> None:
        self._error = attempt("up", self._task, expected=(StackError,))
