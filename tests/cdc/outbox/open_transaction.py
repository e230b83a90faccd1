"""A transaction on another connection that stays open."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections, transaction


class OpenTransaction:
    """Calls `make` in a transaction in a thread. The transaction stays open until `end`."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.made: Any = None
        self._make = make
        self._inserted, self._finish = threading.Event(), threading.Event()
        self._commits = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._inserted.wait(60)

    def end(self, *, commit: bool) -> None:
        """Commit or roll back. Later calls do nothing."""
        if not self._finish.is_set():
            self._commits = commit
            self._finish.set()
            self._thread.join()

    def _run(self) -> None:
        with transaction.atomic():
            self.made = self._make()
            self._inserted.set()
            assert self._finish.wait(600)
            transaction.set_rollback(not self._commits)
        connections["default"].close()
