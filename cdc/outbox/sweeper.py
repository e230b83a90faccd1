"""Deletes published rows and finds overlooked rows, in a separate thread.

An overlooked row is an unpublished row at or below the relay's mark.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from cdc.models import OutboxRecord
from cdc.outbox.progress import Range
from cdc.outbox.queue import MOST_IDS
from cdc.runtime import fault_points, telemetry
from cdc.runtime.clock import Clock

LOOK_SECONDS = 5.0
"""The minimum interval between two searches for overlooked rows."""
_LOOK_SHARE = 50
"""The interval is also at least this multiple of the duration of the last search."""
_REFUSED_SECONDS = 1.0
_PAUSE_SECONDS = 0.2
_LOOK_LIMIT = 5_000
_Published = tuple[int, int, int]
"""Epoch, id and time of capture of a published row. After a TRUNCATE, the same id and epoch may
belong to a row that is not published yet."""
_log = logging.getLogger(__name__)


class Rows(Protocol):
    """The outbox table, used by one thread; each method raises Retryable on a database error."""

    def delete(self, ids: Sequence[int], epoch: int, times: Iterable[int]) -> bool:
        """Delete these rows of `epoch`, captured at `times`; return False if one is locked."""

    def ids_in(self, ranges: Sequence[Range], limit: int) -> list[int]:
        """Return the ids of up to `limit` rows in `ranges`, lowest first."""

    def wait_briefly_for_locks(self) -> None: ...


class Sweeper:
    """Deletes the rows that the relay has published, and finds overlooked rows.

    One thread calls `run_once` and `pause`; the relay's thread calls the other methods. If
    published rows are not deleted before the relay stops, the next relay publishes them again.
    """

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._lock = threading.Lock()
        self._work = threading.Event()
        self.forget()

    def forget(self) -> None:
        """Forget all rows, because the relay starts over, and ids may now belong to other rows."""
        with self._lock:
            self._round = object()
            self._new: deque[_Published] = deque()
            """Rows to be deleted."""
            self._refused: deque[tuple[float, list[_Published]]] = deque()
            """Rows that were locked, with the time of the next attempt."""
            self._undeleted: set[int] = set()
            """The ids in `_new` and `_refused`."""
            self._deleted: set[int] = set()
            """The ids of rows that were deleted since the last `begin_read`."""
            self._mark: int | None = None
            self._overlooked: set[int] = set()
            self._reported: set[int] = set()
            """The overlooked rows that were found and are not published yet."""
            self._look_at = float("-inf")

    def published(self, rows: Sequence[OutboxRecord]) -> None:
        """Queue the deletion of rows that Kafka has acknowledged or that are now dead letters."""
        with self._lock:
            self._new.extend((row.epoch, row.id, row.ts_ms) for row in rows)
            self._undeleted.update(row.id for row in rows)
            self._reported.difference_update(row.id for row in rows)
        self._work.set()

    def watch(self, mark: int) -> None:
        """Set the mark up to which overlooked rows are searched for."""
        self._mark = mark

    def overlooked(self) -> set[int]:
        """Return the ids of overlooked rows; each row is returned once."""
        with self._lock:
            found, self._overlooked = self._overlooked, set()
        return found

    def begin_read(self) -> None:
        """Record that the relay is starting to read the outbox."""
        with self._lock:
            self._deleted.clear()

    def undeleted(self, ids: set[int]) -> set[int]:
        """Return those `ids` whose published rows were not yet deleted when the read began."""
        with self._lock:
            return (ids & self._undeleted) | (ids & self._deleted)

    @property
    def idle(self) -> bool:
        """Whether every published row is deleted."""
        return not self._new and not self._refused

    def run_once(self) -> bool:
        """Delete some published rows; return whether there were any.

        If a search for overlooked rows is due, it comes first.
        """
        self._rows.wait_briefly_for_locks()
        self._work.clear()
        if self._mark is not None and self._clock.monotonic() >= self._look_at:
            self._look()
        round_, rows = self._round, self._next()
        if not rows:
            return False
        times = {ts_ms for _, _, ts_ms in rows}
        deleted = self._rows.delete(_ids(rows), rows[0][0], times)
        fault_points.reach(fault_points.RELAY_ACKNOWLEDGED)
        with self._lock:
            if round_ is self._round:
                self._done(rows, deleted=deleted)
        return True

    def pause(self) -> None:
        """Wait until rows are queued for deletion, but only for a short time."""
        self._work.wait(_PAUSE_SECONDS)

    def _next(self) -> list[_Published]:
        """Return the next rows to delete, all of one epoch; they stay queued until deleted."""
        with self._lock:
            if self._refused and self._refused[0][0] <= self._clock.monotonic():
                return self._refused[0][1]
            rows: list[_Published] = []
            for row in self._new:
                if row[0] != self._new[0][0] or len(rows) == MOST_IDS:
                    break
                rows.append(row)
            return rows

    def _done(self, rows: list[_Published], *, deleted: bool) -> None:
        ids = _ids(rows)
        if self._refused and self._refused[0][1] is rows:
            self._refused.popleft()
        else:
            for _ in rows:
                self._new.popleft()
        if deleted:
            self._undeleted.difference_update(ids)
            self._deleted.update(ids)
        else:
            # Split the list in halves, so that one locked row does not delay the others.
            again = self._clock.monotonic() + _REFUSED_SECONDS
            middle = (len(rows) + 1) // 2
            for part in filter(None, (rows[:middle], rows[middle:])):
                self._refused.append((again, part))
            telemetry.log(_log, logging.WARNING, telemetry.OUTBOX_LOCKED, count=len(ids), id=ids[0])

    def _look(self) -> None:
        """Find the rows up to the mark that are not queued for deletion."""
        began, round_, mark = self._clock.monotonic(), self._round, self._mark or 0
        found, last, more = set[int](), 0, True
        while more:
            ids = self._rows.ids_in([(last + 1, mark)], _LOOK_LIMIT)
            found.update(ids)
            more = len(ids) == _LOOK_LIMIT
            last = ids[-1] if ids else mark
        now = self._clock.monotonic()
        self._look_at = now + max(LOOK_SECONDS, _LOOK_SHARE * (now - began))
        with self._lock:
            if round_ is not self._round:
                return
            # The queues are complete: only this thread deletes rows, and the relay queues a row
            # before its mark passes that row.
            found.difference_update(_ids(self._new))
            for _, rows in self._refused:
                found.difference_update(_ids(rows))
            self._overlooked |= found - self._reported
            self._reported |= found
        if found:
            telemetry.log(_log, logging.WARNING, telemetry.OUTBOX_OVERLOOKED, count=len(found))


def _ids(rows: Iterable[_Published]) -> list[int]:
    return [number for _, number, _ in rows]
