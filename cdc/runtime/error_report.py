"""The last error of a process, stored in the database for the status.

A row exists while a process fails. The times in the row come from the database's clock, because the
clocks of the machines may differ.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

from django.db import Error, connections

from cdc.errors import Retryable
from cdc.models import DaemonError
from cdc.runtime import telemetry
from cdc.runtime.clock import Clock
from cdc.runtime.database import DatabaseNow

STALE_SECONDS = 90.0
"""A row that has not been updated for this long is ignored, because its process was killed.

This is longer than the longest attempt between two errors: a reconciliation waits up to 30 s for
the relay, and then up to 30 s for the consumers.
"""
_WRITE_SECONDS = 1.0
_BACKOFF_FACTOR = 10
_QUIET_SECONDS = 5.0
"""A process counts as recovered after this time without an error, because failures and successes
may alternate."""
_KEPT_DAYS = 1
_LONGEST_PROCESS, _LONGEST_ERROR = 255, 1000


class ErrorReport:
    """Stores the errors after which a process retries; a context manager for the whole process.

    The process deletes the row when it recovers and when it stops. If the process ends with an
    error, this error remains. Storing an error never raises an error, and an unresponsive database
    delays the process only rarely.
    """

    def __init__(self, process: str, event: str, using: str, clock: Clock) -> None:
        self._process = process[:_LONGEST_PROCESS]
        self._event = event
        self._using = using
        self._clock = clock
        self._attempts = 0
        self._began_at = self._failed_at = self._due = float("-inf")
        self._stored = True
        """Whether the database may have a row: a killed process of this name may have left one."""
        self._written = False
        """Whether the row has the start time of the current errors."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            self._failed()
            self._use_database(partial(self._write, error))
        elif self._stored:
            self._use_database(self._delete)

    def on_retry(self, error: Retryable, seconds: float) -> None:
        """Log an error, and store it at most once per second; `seconds` is the time to wait."""
        telemetry.log_retry(self._event, error, seconds)
        self._failed()
        if self._failed_at >= self._due:
            self._use_database(partial(self._write, error))

    def watched(self, run_once: Callable[[], bool]) -> Callable[[], bool]:
        """Return `run_once` in a wrapper that deletes the row after attempts without an error."""

        def run() -> bool:
            more = run_once()
            now = self._clock.monotonic()
            if now - self._failed_at >= _QUIET_SECONDS:
                self._attempts = 0
                if self._stored and now >= self._due:
                    self._use_database(self._delete)
            return more

        return run

    def _failed(self) -> None:
        self._failed_at = self._clock.monotonic()
        if not self._attempts:
            self._began_at, self._written = self._failed_at, False
        self._attempts += 1

    def _use_database(self, change: Callable[[], None]) -> None:
        began = self._clock.monotonic()
        try:
            change()
        except Error:
            connections[self._using].close()
        after = self._clock.monotonic()
        # An unresponsive database blocks each attempt for seconds.
        pause = _BACKOFF_FACTOR * (after - began)
        self._due = after + (max(pause, _WRITE_SECONDS) if self._stored else pause)

    def _write(self, error: Exception) -> None:
        rows = DaemonError.objects.using(self._using)
        changes = {
            "error": str(error)[:_LONGEST_ERROR] or type(error).__name__,
            "attempts": self._attempts,
            "last_at": DatabaseNow(),
        }
        since = DatabaseNow() - timedelta(seconds=self._failed_at - self._began_at)
        began = {} if self._written else {"since": since}
        self._stored = True
        if not rows.filter(process=self._process).update(**changes, **began):
            rows.filter(last_at__lt=DatabaseNow() - timedelta(days=_KEPT_DAYS)).delete()
            rows.create(process=self._process, since=since, **changes)
        self._written = True

    def _delete(self) -> None:
        DaemonError.objects.using(self._using).filter(process=self._process).delete()
        self._stored = False
