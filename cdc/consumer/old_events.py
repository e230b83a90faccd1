"""Detects old events of rows that were deleted and whose delete markers have expired."""

from collections.abc import Collection, Sequence
from typing import Protocol

from cdc.mongo.plan import Delivered, Identity, RowKey, newest_by_row
from cdc.runtime.clock import Clock

_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600
"""The tolerated difference between the clocks of two machines.

If the clocks differ by more, a deleted row could reappear.
"""
_CLOCK_SKEW_SECONDS = 2 * _HOUR_SECONDS
"""Two differences add up: the consumer's clock dates the delete marker, and MongoDB's clock expires
it; the application's clock dates the event, and the consumer's clock decides whether it is old."""


class Rows(Protocol):
    """The rows of the captured tables."""

    def missing(self, table: str, keys: Sequence[Identity]) -> Collection[Identity]:
        """Return the `keys` that no row of `table` has.

        Raise Rejected for a key that no row can have, and Retryable on a database error.
        """


class OldEvents:
    """Looks up the rows of events that are older than every delete marker.

    The row of such an event may have been deleted, and its delete marker may have expired. Then
    only the database can show that the row is deleted. The consumer queries the database before the
    MongoDB transaction, which must not wait for the database. Old events are rare except after a
    rewind.
    """

    def __init__(self, rows: Rows, clock: Clock, delete_marker_days: int) -> None:
        self._rows = rows
        self._clock = clock
        self._young_seconds = delete_marker_days * _DAY_SECONDS - _CLOCK_SKEW_SECONDS

    def deleted_rows(self, batch: Sequence[Delivered]) -> frozenset[RowKey]:
        """Return the rows that old events in `batch` refer to and that the database no longer has.

        Raise Rejected for a key that no row can have, and Retryable on a database error.
        """
        return frozenset(
            (table, key)
            for table, keys in self._old_keys(batch).items()
            for key in self._rows.missing(table, keys)
        )

    def _old_keys(self, batch: Sequence[Delivered]) -> dict[str, list[Identity]]:
        before_ms = (self._clock.time() - self._young_seconds) * 1000
        keys: dict[str, list[Identity]] = {}
        for delivered in newest_by_row(batch):
            event = delivered.event
            if event.ts_ms < before_ms and not event.deletes:
                keys.setdefault(event.table, []).append(event.key)
        return keys
