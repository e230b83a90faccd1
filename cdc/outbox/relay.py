"""The relay: publishes outbox rows to Kafka in order, and deletes acknowledged rows."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from cdc.conf import cdc_settings
from cdc.errors import Retryable
from cdc.models import OutboxRecord
from cdc.outbox.batch import BatchReader, Rows
from cdc.outbox.finder import Finder, Ids
from cdc.outbox.lease import Lease
from cdc.outbox.sweeper import Sweeper
from cdc.runtime import fault_points, telemetry
from cdc.runtime.clock import Clock
from cdc.wire.event import Version
from cdc.wire.message import encode
from cdc.wire.records import Outgoing

LEASE_SECONDS = 1.5
"""The duration of the lease. If its owner dies, a standby takes over within 2 s."""
RENEW_SECONDS = 0.4
_SHORTEST_PAUSE, _LONGEST_PAUSE, _STANDBY_PAUSE = 0.001, 0.016, 0.2
_PAUSE_SHARE = 0.02
"""The length of a pause, as a fraction of the time since the last change."""
_log = logging.getLogger(__name__)


class Publisher(Protocol):
    """Publishes records to Kafka."""

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Publish all records; return the reasons for permanent rejections, by index.

        Raise Retryable if `keep_waiting` returns False before Kafka has answered for all records.
        """


class Outbox(Ids, Rows, Protocol):
    """The database with the outbox and the lease."""

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        """Take the lease, or renew `held` and store its mark; None while another relay has it."""

    def drop_lease(self, owner: str) -> None: ...


class DeadLetters(Protocol):
    """Stores the rows that Kafka rejects permanently."""

    def store(self, row: OutboxRecord, epoch: int, sent: Outgoing, reason: str) -> None:
        """Store a row once, with the message sent in this epoch; raise Retryable on an error."""


class Guard(Protocol):
    """Ensures that no version is used for two changes; see `EpochGuard`."""

    def check(
        self, token: int | None, keep_waiting: Callable[[], bool], *, at_once: bool = False
    ) -> bool:
        """Begin a new epoch if ids were reused; return whether a new epoch has begun."""

    def admits(self, rows: Sequence[OutboxRecord]) -> bool:
        """Return whether these rows may be published; if not, the relay must call `check` first."""

    def is_older(self, row: OutboxRecord) -> bool:
        """Return whether newer changes of the same captured row may already have been published."""

    def version_of(self, row: OutboxRecord) -> Version:
        """Return the version under which a row is published."""


class Relay:
    """Publishes outbox rows while it has the lease, and is a standby otherwise.

    One batch is in flight at a time. A row is deleted only after Kafka has acknowledged it, or
    after it was stored as a dead letter, so a crash may repeat events but loses none. Open
    transactions do not delay the relay: it publishes the committed rows, and later looks again for
    the missing ids between them.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        sweeper: Sweeper,
        publisher: Publisher,
        dead_letters: DeadLetters,
        owner: str,
        send_again: Callable[[Sequence[OutboxRecord]], None],
        clock: Clock,
        counters: telemetry.Tally,
        stopping: Callable[[], bool],
        guard: Guard | None = None,
    ) -> None:
        self._outbox = outbox
        self._guard = guard
        self._sweeper = sweeper
        self._finder = Finder(outbox, sweeper, clock)
        self._found: list[int] = []
        """Rows to be published, lowest id first."""
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._owner = owner
        self._send_again = send_again
        self._clock = clock
        self._counters = counters
        self._stopping = stopping
        self._reader = BatchReader(outbox, cdc_settings().max_event_bytes)
        self._token: int | None = None
        self._in_flight: tuple[Sequence[OutboxRecord], int] | None = None
        """The rows of the last batch, and the tenure in which they were sent."""
        self._tenure = 0
        """How many times another relay may have had the lease."""
        self._lease_checked = self._lease_until = self._sent_at = float("-inf")

    def run_once(self) -> bool:
        """Publish one batch; return whether more rows may be pending."""
        self._resend_if_superseded()
        if not self._hold_lease() or not self._continues():
            return False
        if not self._found:
            self._found = self._finder.find()
            if self._finder.passed and not self._continues(at_once=True):
                return False
        if not self._found:
            return False
        rows, taken = self._read()
        if rows and self._guard is not None and not self._guard.admits(rows):
            return True
        if rows:
            self._send(rows)
        del self._found[:taken]
        self._counters.flush()
        return bool(self._found) or self._finder.more

    def start_over(self, mark: int) -> None:
        """Forget which rows are published, and read the rows with ids above `mark` again."""
        self._finder.start_over(mark)
        self._found = []

    def _continues(self, *, at_once: bool = False) -> bool:
        """Begin a new epoch if ids were reused; return whether the relay may continue.

        In a new epoch, the relay reads the outbox from the first row again.
        """
        token, guard = self._token, self._guard
        if guard is not None and guard.check(token, self._keep_waiting, at_once=at_once):
            self.start_over(0)
        return self._hold_lease() and self._token == token

    def pause(self) -> None:
        """Wait before the next poll of the outbox; the pause grows with the idle time.

        Under load, the pause adds almost no latency. An idle relay polls rarely enough to use
        little CPU.
        """
        idle = self._clock.monotonic() - self._sent_at
        pause = min(max(idle * _PAUSE_SHARE, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._clock.sleep(_STANDBY_PAUSE if self._token is None else pause)

    def close(self) -> None:
        """Release the lease, so that a standby need not wait until it expires."""
        if self._token is not None:
            with suppress(Retryable):
                self._outbox.drop_lease(self._owner)

    def _hold_lease(self) -> bool:
        """Take the lease, or renew it when that is due; return whether this relay may publish.

        A standby tries at every call, so it takes over within one pause after the expiry.
        """
        now = self._clock.monotonic()
        if self._token is not None and now - self._lease_checked < RENEW_SECONDS:
            return now < self._lease_until
        first_attempt = self._lease_until == float("-inf")
        before = self._token
        held = None if before is None else Lease(token=before, mark=self._finder.mark)
        lease = self._outbox.take_lease(self._owner, LEASE_SECONDS, held)
        self._token = None if lease is None else lease.token
        # With the next token, this relay has taken its own expired lease again.
        if self._token is None or before is None or self._token - before not in {0, 1}:
            self._tenure += 1
        # Measured from before the statement: the lease must not outlast the database's.
        self._lease_checked, self._lease_until = now, now + LEASE_SECONDS
        if first_attempt or before != self._token:
            self._lease_changed(0 if lease is None else lease.mark)
        return self._token is not None

    def _lease_changed(self, mark: int) -> None:
        self.start_over(mark)
        event = telemetry.RELAY_STANDBY if self._token is None else telemetry.RELAY_STARTED
        telemetry.log(_log, logging.INFO, event, owner=self._owner, token=self._token)

    def _read(self) -> tuple[list[OutboxRecord], int]:
        """Return the rows of the next batch, and the number of found ids that were read.

        Return no rows if the lease was lost in the meantime.
        """
        token = self._token
        rows, taken = self._reader.read(
            self._found, lambda: self._hold_lease() and self._token == token
        )
        fault_points.reach(fault_points.RELAY_READ)
        if not self._hold_lease() or self._token != token:
            return [], 0
        return rows, taken

    def _send(self, rows: Sequence[OutboxRecord]) -> None:
        started, token = self._clock.monotonic(), self._token
        self._in_flight = (rows, self._tenure)
        try:
            self._publish(rows)
        finally:
            # Also after an error, because records in flight may still reach Kafka.
            self._resend_if_superseded()
        self._supersede_older(rows)
        fault_points.reach(fault_points.RELAY_PRODUCED)
        self._sweeper.published(rows)
        if self._token == token:
            # With a new token, the relay has started over: these ids may belong to other rows.
            self._finder.published(rows)
        self._sent_at = self._clock.monotonic()
        elapsed_ms = round((self._sent_at - started) * 1000, 1)
        telemetry.log(_log, logging.DEBUG, telemetry.OUTBOX_SENT, count=len(rows), ms=elapsed_ms)

    def _supersede_older(self, rows: Sequence[OutboxRecord]) -> None:
        """Resend captured rows if changes newer than those in `rows` may have been published."""
        older = [row for row in rows if row.id in self._finder.passed or self._is_older(row)]
        if older:
            self._send_again(older)
            self._counters.add(telemetry.SENT_AGAIN, len(older))
            telemetry.log(_log, logging.WARNING, telemetry.RELAY_SENT_AGAIN, count=len(older))

    def _is_older(self, row: OutboxRecord) -> bool:
        return self._guard is not None and self._guard.is_older(row)

    def _publish(self, rows: Sequence[OutboxRecord]) -> None:
        records, owners = _outgoing(rows, self._guard)
        rejected = self._publisher.publish(records, self._keep_waiting)
        # Kafka rejects whole batches, so each rejected record is published again on its own. Later
        # records of its row are repeated too, so that its last record is its last change.
        repeated = set()
        for index, record in enumerate(records):
            if index in rejected:
                repeated.add((record.topic, record.key))
            if (record.topic, record.key) in repeated:
                self._publish_alone(rows[owners[index]], record)

    def _resend_if_superseded(self) -> None:
        """Resend the rows of the last batch if another relay may have published in the meantime.

        If a relay was suspended until its lease had expired, its batch may reach the topic after
        newer events of the same rows. The replica does not apply stale events. For other readers of
        the topic, the current state of the rows is resent.
        """
        if self._in_flight is None:
            return
        rows, tenure = self._in_flight
        if self._clock.monotonic() >= self._lease_until:
            self._lease_checked = float("-inf")
            self._hold_lease()
        if self._tenure != tenure:
            self._send_again(rows)
            self._counters.add(telemetry.SENT_AGAIN, len(rows))
            telemetry.log(_log, logging.WARNING, telemetry.RELAY_SENT_AGAIN, count=len(rows))
        self._in_flight = None

    def _publish_alone(self, row: OutboxRecord, record: Outgoing) -> None:
        if not self._keep_waiting():
            raise Retryable("The batch was abandoned: its rows stay in the outbox.")
        if reasons := self._publisher.publish([record], self._keep_waiting):
            self._dead_letters.store(row, _version(row, self._guard).epoch, record, reasons[0])
            row_of = {"id": row.id, "table": row.table}  # A key that is text may be personal.
            telemetry.log(_log, logging.ERROR, telemetry.OUTBOX_REJECTED, **row_of)

    def _keep_waiting(self) -> bool:
        return not self._stopping() and self._hold_lease()


def _outgoing(
    rows: Sequence[OutboxRecord], guard: Guard | None = None
) -> tuple[list[Outgoing], list[int]]:
    """Return the records of rows, and for each record the index of its row."""
    records: list[Outgoing] = []
    owners: list[int] = []
    connector = cdc_settings().connector
    for index, row in enumerate(rows):
        for record in encode(row, _version(row, guard), connector):
            records.append(record)
            owners.append(index)
    return records, owners


def _version(row: OutboxRecord, guard: Guard | None) -> Version:
    return guard.version_of(row) if guard else Version(row.epoch, row.id)
