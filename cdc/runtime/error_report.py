"""The last error of a process, stored in the database for the status.

A row exists while a process fails. Its times are those of the database's clock, because the clocks
of the machines may differ.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from django.db import Error, connections

from cdc.errors import CdcError, Retryable
from cdc.models import DaemonError
from cdc.runtime import telemetry
from cdc.runtime.database import DatabaseNow
from cdc.runtime.loop import Clock

STALE_SECONDS = 30.0
"""A row that was not updated for this long is ignored: its process was killed."""
_WRITE_SECONDS = 1.0
_QUIET_SECONDS = 5.0
"""A process recovers after this time without an error, because attempts may fail in turns."""
_KEPT_DAYS = 1
_LONGEST_PROCESS, _LONGEST_ERROR = 255, 1000


class ErrorReport:
    """Stores the errors after which a process retries; a context manager for the whole process.

    The process deletes the row when it recovers and when it stops. If the process ends with an
    error, this error remains. Storing an error never raises one.
    """

    def __init__(self, process: str, event: str, using: str, clock: Clock) -> None:
        self._process = process[:_LONGEST_PROCESS]
        self._event = event
        self._using = using
        self._clock = clock
        self._attempts = 0
        self._failed_at = float("-inf")
        self._written_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if isinstance(error, CdcError):
            self._attempts += 1
            self._write(error)
        else:
            self._clear()

    def on_retry(self, error: Retryable, seconds: float) -> None:
        """Log an error, and store it at most once per second; `seconds` is the time to wait."""
        telemetry.log_retry(self._event, error, seconds)
        self._failed_at = self._clock.monotonic()
        self._attempts += 1
        if self._failed_at - self._written_at >= _WRITE_SECONDS:
            self._write(error)

    def watched(self, run_once: Callable[[], bool]) -> Callable[[], bool]:
        """Return `run_once`, so that attempts without an error end the report."""

        def run() -> bool:
            more = run_once()
            if self._attempts and self._clock.monotonic() - self._failed_at >= _QUIET_SECONDS:
                self._clear()
            return more

        return run

    def _write(self, error: CdcError) -> None:
        rows = DaemonError.objects.using(self._using)
        changes = {
            "error": str(error)[:_LONGEST_ERROR],
            "attempts": self._attempts,
            "last_at": DatabaseNow(),
        }
        try:
            if not rows.filter(process=self._process).update(**changes):
                old = DatabaseNow() - timedelta(days=_KEPT_DAYS)
                rows.filter(last_at__lt=old).delete()
                rows.create(process=self._process, since=DatabaseNow(), **changes)
        except Error:
            connections[self._using].close()
        self._written_at = self._clock.monotonic()

    def _clear(self) -> None:
        if not self._attempts:
            return
        with suppress(Error):
            DaemonError.objects.using(self._using).filter(process=self._process).delete()
            self._attempts = 0
