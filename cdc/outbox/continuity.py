"""Detects that the database assigns outbox ids again, before anything more is published.

A version (epoch, outbox id) must never be used twice. But ids are assigned again after TRUNCATE,
after a rebuild of the table, after the database was restored from a backup, after a failover that
lost the last commits, or when an old epoch was loaded. What was published last is known outside the
database: in the memory of the relay, in Kafka and in MongoDB.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from django.db import connections, transaction

from cdc.models import Epoch, OutboxRecord, RelayLease
from cdc.outbox import table as outbox
from cdc.outbox.next_id import next_id
from cdc.runtime import telemetry
from cdc.runtime.database import retryable_errors
from cdc.runtime.loop import Clock
from cdc.wire.event import Version
from cdc.wire.published import Published

ACTOR = "relay"
"""The actor of a new epoch, and of the repair that follows it."""
CHECK_SECONDS = 1.0
_REMEMBERED = 128
"""The number of published changes, highest ids first, to compare with the outbox's rows."""
_log = logging.getLogger(__name__)


class Witness(Protocol):
    """A record, outside the database, of the published changes."""

    def __call__(self, keep_waiting: Callable[[], bool]) -> Sequence[Published]:
        """Return the last published changes, including the highest version; empty if it holds none.

        Calls `keep_waiting` at least every 0.5 s, and raises Retryable once it returns False.
        """


class EpochGuard:
    """Begins a new epoch when the outbox does not continue what was published.

    In a sound database, the next version is above every published one, and a row has the id of a
    published change only if it is that change. If this rule is broken, ids were assigned again.

    The new epoch, the entry in the operator log and the request for a repair are one transaction,
    so a crash leaves all of them or none, and the next relay sees the same signs.
    """

    def __init__(
        self,
        *,
        using: str,
        witnesses: Sequence[Witness],
        on_new_epoch: Callable[[int, str], None],
        clock: Clock,
        counters: telemetry.Tally,
    ) -> None:
        """The guard asks the `witnesses` in order, until one returns changes.

        `on_new_epoch` is called in the transaction, with the new epoch and the reason.
        """
        self._using = using
        self._witnesses = witnesses
        self._on_new_epoch = on_new_epoch
        self._clock = clock
        self._counters = counters
        self._epoch = 0
        self._highest = Version(0, 0)
        """The highest published version."""
        self._remembered: dict[int, tuple[str, int]] = {}
        """Key and time of capture of the last changes published in that epoch, by outbox id."""
        self._token: int | None = None
        self._connection: Any = None
        self._due = float("-inf")

    def learn(self, keep_waiting: Callable[[], bool]) -> None:
        """Ask the witnesses what was published; raises Retryable.

        `check` also asks them, with each new token. A call at the start opens the connections,
        which is the slow part, so that a standby can take over at once.
        """
        for witness in self._witnesses:
            found = witness(keep_waiting)
            self._remember(found)
            if found:
                break

    def check(self, token: int | None, keep_waiting: Callable[[], bool]) -> bool:
        """Begin a new epoch if ids were assigned again, and return whether one has begun.

        Looks at the database with each new token of the lease, on each new connection, and once a
        second. Raises Retryable; until it returns, nothing may be published.
        """
        if not self._is_due(token):
            return False
        if token != self._token:
            self.learn(keep_waiting)
        with retryable_errors(self._using):
            begun = bool(self._sign()) and self._begin_epoch()
        self._token, self._connection = token, connections[self._using].connection
        self._due = self._clock.monotonic() + CHECK_SECONDS
        return begun

    def admits(self, rows: Sequence[OutboxRecord]) -> bool:
        """Return whether these rows may be published, and remember them as published.

        False means that one of their ids was published with another change: call `check` first.
        """
        if any(self._contradicts(row.id, row.key, row.ts_ms) for row in rows):
            self._due = float("-inf")
            return False
        self._remember(
            Published(version=self.version_of(row), key=row.key, ts_ms=row.ts_ms)
            for row in rows[-_REMEMBERED:]
        )
        return True

    def version_of(self, row: OutboxRecord) -> Version:
        """Return the version under which a row is published.

        A row of an earlier epoch was inserted or committed around the beginning of the current one.
        Its id may have been used in its own epoch, so it is published in the current one. That
        keeps the changes of its table row in order: no later one can be committed before it.
        """
        return Version(max(row.epoch, self._epoch), row.id)

    def _is_due(self, token: int | None) -> bool:
        return (
            token != self._token
            or connections[self._using].connection is not self._connection
            or self._clock.monotonic() >= self._due
        )

    def _remember(self, changes: Iterable[Published]) -> None:
        for change in changes:
            if change.version.epoch > self._highest.epoch:
                self._remembered.clear()
            self._highest = max(self._highest, change.version)
            if change.version.epoch == self._highest.epoch and change.ts_ms is not None:
                self._remembered[change.version.outbox_id] = (change.key, change.ts_ms)
        for lowest in sorted(self._remembered)[:-_REMEMBERED]:
            del self._remembered[lowest]

    def _begin_epoch(self) -> bool:
        with transaction.atomic(using=self._using):
            # Lock it, then look again: another relay may have begun an epoch meanwhile.
            list(Epoch.objects.using(self._using).select_for_update())
            reason = self._sign()
            if not reason:
                return False
            lowest = max(int(self._clock.time() * 1000), self._highest.epoch + 1)
            epoch = outbox.begin_epoch(lowest, using=self._using)
            # The next relay must not begin at the mark of the previous epoch.
            RelayLease.objects.using(self._using).update(mark=0)
            self._on_new_epoch(epoch, reason)
        self._epoch = epoch
        self._counters.add(telemetry.IDS_REUSED)
        telemetry.log(
            _log, logging.WARNING, telemetry.OUTBOX_IDS_REUSED, epoch=epoch, reason=reason
        )
        return True

    def _sign(self) -> str:
        """Return the evidence that ids were assigned again; empty if there is no evidence."""
        epoch = outbox.current_epoch(using=self._using)
        if epoch is None:  # During a flush: nothing can be inserted.
            return ""
        self._epoch = epoch
        highest = self._highest
        if epoch > highest.epoch:
            return ""
        if epoch < highest.epoch:
            return f"The database is in epoch {epoch}, but {highest.epoch} has been published."
        following = next_id(using=self._using)
        if following is not None and following <= highest.outbox_id:
            return f"The next outbox id is {following}, but {highest.outbox_id} has been published."
        return self._reused_row()

    def _reused_row(self) -> str:
        rows = OutboxRecord.objects.using(self._using).filter(id__in=list(self._remembered))
        for found in rows.values_list("id", "key", "ts_ms"):
            if self._contradicts(*found):
                return f"Outbox id {found[0]} has already been published for a different change."
        return ""

    def _contradicts(self, outbox_id: int, key: str, ts_ms: int) -> bool:
        known = self._remembered.get(outbox_id)
        current = self._epoch == self._highest.epoch
        return current and known is not None and known != (key, ts_ms)
