"""Detects reused outbox ids before the next row is published.

A version (epoch, outbox id) must never be used twice. But ids are reused after TRUNCATE, a rebuild
of the table, a restore from a backup, or a failover that lost the last commits. Versions are also
repeated if `loaddata` loads an old epoch. The relay therefore compares the outbox with the last
published changes, which it finds in its memory, Kafka or MongoDB.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

from django.db import connections, transaction

from cdc.models import Epoch, OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.next_id import next_id
from cdc.runtime import telemetry
from cdc.runtime.clock import Clock
from cdc.runtime.database import retryable_errors
from cdc.wire.event import Version
from cdc.wire.published import Published

ACTOR = "relay"
"""The actor, in the operator log, of a new epoch and of the repair that follows."""
EPOCH_ARGUMENT = "epoch"
"""The argument that distinguishes the repair after a new epoch from other repairs."""
CHECK_SECONDS = 1.0
FLUSH_SECONDS = 10.0
"""How long the epoch's row may be missing: `flush` deletes the row and later inserts a new one."""
_REMEMBERED = 128
"""The number of published changes that are remembered and compared with the outbox rows."""
_log = logging.getLogger(__name__)


class Witness(Protocol):
    """Reads the last published changes from a system outside the database."""

    def __call__(self, keep_waiting: Callable[[], bool]) -> Sequence[Published]:
        """Return the last published changes, including the highest version.

        The result is empty if this system contains no change. Call `keep_waiting` at the start and
        at least once a second, and raise Retryable when it returns False. If the relay has the
        lease, this call renews it. If the lease ends, the relay has to query the system once more.
        """


class EpochGuard:
    """Begins a new epoch if the outbox does not continue the published changes.

    Normally, the next version is higher than every published version, and no outbox row has the id
    of a different published change. If one of these rules is broken, ids were reused.

    One transaction writes the new epoch, an entry in the operator log and a job for a repair. If
    the transaction fails, nothing is written, and the next check finds the same evidence.
    """

    def __init__(
        self,
        *,
        using: str,
        witnesses: Sequence[Witness],
        topics: Collection[str] = (),
        on_new_epoch: Callable[[int, str], None],
        clock: Clock,
        counters: telemetry.Tally,
    ) -> None:
        """The `witnesses` are queried in order, until the last changes of all `topics` are known.

        If a topic is empty, its records may be lost, and the next witness may know their changes. A
        query may take a second. The next witness is therefore queried only if it has returned no
        change since a topic became empty, or if no earlier witness returned a change. If `topics`
        is empty, one change is enough.

        `on_new_epoch` is called in the transaction, with the new epoch and the reason.
        """
        self._using = using
        self._witnesses = witnesses
        self._topics = frozenset(topics)
        self._empty: frozenset[str] = frozenset()
        """The topics that were empty when a witness without topics returned a change."""
        self._on_new_epoch = on_new_epoch
        self._clock = clock
        self._counters = counters
        self._epoch = self._begun = 0
        self._highest = Version(0, 0)
        """The highest published version."""
        self._remembered: dict[int, tuple[str, int]] = {}
        """Key and `ts_ms` of the last published changes of the highest epoch, by outbox id."""
        self._token: int | None = None
        self._connection: Any = None
        self._due = float("-inf")
        self._epoch_seen = clock.monotonic()

    def learn(self, keep_waiting: Callable[[], bool]) -> None:
        """Query the witnesses for the last published changes; raise Retryable on an error.

        `check` does the same for each new token. Calling `learn` at the start opens the
        connections, which takes longest, so that a standby can take over at once.
        """
        empty = self._topics
        for witness in self._witnesses:
            found = witness(keep_waiting)
            self._remember(found)
            whole = any(not change.topic for change in found)
            empty -= {change.topic for change in found}
            if whole or (found and empty <= self._empty):
                self._empty = empty
                break

    def check(
        self, token: int | None, keep_waiting: Callable[[], bool], *, at_once: bool = False
    ) -> bool:
        """Begin a new epoch if ids were reused; return whether a new epoch has begun.

        The database is queried for each new `token` of the lease, on each new connection, once a
        second, and if `at_once` is True. Raise Retryable on an error. Do not publish anything until
        this method returns.
        """
        if not at_once and not self._is_due(token):
            return False
        if token != self._token:
            self.learn(keep_waiting)
            # A standby does not look for the epoch's row. If the row is missing, it may have been
            # deleted only a moment ago.
            self._epoch_seen = self._clock.monotonic()
        with retryable_errors(self._using):
            begun = bool(self._sign()) and self._begin_epoch()
        self._token, self._connection = token, connections[self._using].connection
        self._due = self._clock.monotonic() + CHECK_SECONDS
        return begun

    def admits(self, rows: Sequence[OutboxRecord]) -> bool:
        """Return whether these rows may be published; if so, remember them as published.

        False means that the id of one of these rows was already published for a different change.
        The next `check` then queries the database.
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

        The id of an outbox row of an earlier epoch may already have been published in that epoch.
        Such a row is therefore published in the current epoch. The order of changes is preserved: a
        later change of the same captured row can be committed only after this change.
        """
        return Version(max(row.epoch, self._epoch), row.id)

    def is_older(self, row: OutboxRecord) -> bool:
        """Return whether newer changes of the same captured row may already have been published.

        This is possible for an outbox row of an earlier epoch, which may have been restored. If
        this guard has begun the current epoch itself, return False: the repair that follows also
        sends this row.
        """
        return row.epoch < self._epoch != self._begun

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
            # Lock the epoch, then check again, because another relay may have begun an epoch.
            list(Epoch.objects.using(self._using).select_for_update())
            reason = self._sign()
            if not reason:
                return False
            lowest = max(int(self._clock.time() * 1000), self._highest.epoch + 1)
            epoch = outbox.begin_epoch(lowest, using=self._using)
            self._on_new_epoch(epoch, reason)
        self._epoch = self._begun = epoch
        self._counters.add(telemetry.IDS_REUSED)
        telemetry.log(
            _log, logging.WARNING, telemetry.OUTBOX_IDS_REUSED, epoch=epoch, reason=reason
        )
        return True

    def _sign(self) -> str:
        """Return the evidence that ids were reused; empty if there is no evidence."""
        epoch = outbox.current_epoch(using=self._using)
        now = self._clock.monotonic()
        if epoch is None:  # No row can be inserted, because a lease exists.
            missing = now - self._epoch_seen >= FLUSH_SECONDS
            return "The database has no epoch: the epoch's row was deleted." if missing else ""
        self._epoch, self._epoch_seen = epoch, now
        highest = self._highest
        if epoch > highest.epoch:
            return ""
        if epoch < highest.epoch:
            return f"The database has epoch {epoch}, but epoch {highest.epoch} has been published."
        following = next_id(using=self._using)
        if following is not None and following <= highest.outbox_id:
            return (
                f"The next outbox id is {following}, but id {highest.outbox_id} has been published."
            )
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
