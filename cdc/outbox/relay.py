"""The relay: outbox -> Kafka, in order, until Kafka has acknowledged each row."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from cdc.conf import cdc_settings
from cdc.errors import Retryable
from cdc.models import OutboxRecord
from cdc.runtime import faults, telemetry
from cdc.runtime.loop import Clock
from cdc.wire.event import Version
from cdc.wire.message import encode
from cdc.wire.records import Outgoing

BATCH = 1_000
LEASE_SECONDS = 1.5
"""How long the right to publish lasts unless renewed; a standby takes over within 2 s."""
RENEW_SECONDS = 0.4
SETTLE_SECONDS = 0.25
_SHORTEST_PAUSE, _LONGEST_PAUSE, _STANDBY_PAUSE = 0.001, 0.016, 0.2
_PAUSE_SHARE = 0.02
"""How long one pause is in relation to the time since the last change."""
_log = logging.getLogger(__name__)


class Publisher(Protocol):
    """Where records go."""

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Write all; return what was rejected for good, reasons by index."""


class Outbox(Protocol):
    """Where rows wait."""

    def waits(self, *, above: int) -> bool:
        """Return whether any row has an id over `above`."""

    def pending(self, *, above: int, limit: int) -> list[OutboxRecord]:
        """Return waiting rows, lowest id first."""

    def acknowledge(self, rows: Sequence[OutboxRecord]) -> None:
        """Forget these rows."""

    def settled(self, *, above: int, upto: int) -> bool:
        """Return whether nothing in (above, upto] is or can still come."""

    def take_lease(self, owner: str, seconds: float) -> int | None:
        """Take or renew the right to publish; return its token, None if another has it."""

    def drop_lease(self, owner: str) -> None:
        """Give it back."""

    def reject(self, record: OutboxRecord, sent: Outgoing, reason: str) -> None:
        """Keep a row that Kafka will never take as a dead letter."""


class Relay:
    """Publishes while it holds the lease; stands by otherwise.

    One batch is in flight at a time and a row leaves the outbox only after Kafka acknowledged it,
    so a crash at any moment repeats events and loses none.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        publisher: Publisher,
        owner: str,
        send_again: Callable[[Sequence[OutboxRecord]], None],
        clock: Clock,
        counters: telemetry.Tally,
        stopping: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._owner = owner
        self._send_again = send_again
        self._clock = clock
        self._counters = counters
        self._stopping = stopping
        self._token: int | None = None
        self._in_doubt: tuple[Sequence[OutboxRecord], int] | None = None
        self._lease_checked = self._lease_until = float("-inf")
        self._floor = self._acknowledged = 0
        self._settle_at = self._sent_at = float("-inf")

    def run_once(self) -> bool:
        """Publish one batch; return whether there is more at once."""
        self._mend()
        if not self._lead():
            return False
        self._raise_floor()
        if not self._outbox.waits(above=self._floor):
            return False
        rows = self._outbox.pending(above=self._floor, limit=BATCH)
        self._send(rows)
        self._counters.flush()
        self._sent_at = self._clock.monotonic()
        return len(rows) == BATCH

    def pause(self) -> None:
        """Wait for the next look: longest while another publishes.

        Else a share of the silence so far: next to nothing is added to what lies between two
        changes, and an idle relay costs little.
        """
        silence = self._clock.monotonic() - self._sent_at
        share = min(max(silence * _PAUSE_SHARE, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._clock.sleep(_STANDBY_PAUSE if self._token is None else share)

    def close(self) -> None:
        """Give the lease back, so that another relay need not wait for it to lapse."""
        if self._token is not None:
            with suppress(Retryable):
                self._outbox.drop_lease(self._owner)

    def _lead(self) -> bool:
        """Return whether this relay may publish now; take or renew the lease when it is time.

        Who stands by looks each time, so that it takes over a pause after the lease has lapsed.
        """
        now = self._clock.monotonic()
        if self._token is not None and now - self._lease_checked < RENEW_SECONDS:
            return now < self._lease_until
        first_look = self._lease_until == float("-inf")
        before, self._token = self._token, self._outbox.take_lease(self._owner, LEASE_SECONDS)
        # Counted from before the statement, so that ours is never the longer one.
        self._lease_checked, self._lease_until = now, now + LEASE_SECONDS
        if first_look or before != self._token:
            self._lease_changed()
        return self._token is not None

    def _lease_changed(self) -> None:
        self._floor = self._acknowledged = 0
        event = telemetry.RELAY_STANDBY if self._token is None else telemetry.RELAY_STARTED
        telemetry.log(_log, logging.INFO, event, owner=self._owner, token=self._token)

    def _raise_floor(self) -> None:
        """Move the low-water mark over rows that are gone for good.

        A queue read from its head slows down as it is deleted from (InnoDB keeps deleted rows
        until purge), so reads begin at the mark. It moves only over ids of which the database says
        that none is waiting and none can still be committed.
        """
        now = self._clock.monotonic()
        if now < self._settle_at:
            return
        self._settle_at = now + SETTLE_SECONDS
        target = self._acknowledged
        if target > self._floor and self._outbox.settled(above=self._floor, upto=target):
            self._floor = target

    def _send(self, rows: Sequence[OutboxRecord]) -> None:
        started = self._clock.monotonic()
        self._in_doubt = (rows, self._token or 0)
        faults.reach(faults.RELAY_READ)
        try:
            self._publish(rows)
        finally:
            # Also when it was given up: what was on its way may still arrive.
            self._mend()
        faults.reach(faults.RELAY_PRODUCED)
        self._outbox.acknowledge(rows)
        faults.reach(faults.RELAY_ACKNOWLEDGED)
        self._acknowledged = max(self._acknowledged, rows[-1].id)
        took = round((self._clock.monotonic() - started) * 1000, 1)
        telemetry.log(_log, logging.DEBUG, telemetry.OUTBOX_SENT, count=len(rows), ms=took)

    def _publish(self, rows: Sequence[OutboxRecord]) -> None:
        records, owners = _outgoing(rows)
        rejected = self._publisher.publish(records, self._keep_waiting)
        # Kafka rejects whole batches, so a record is guilty only when it fails by itself. The
        # later records of its story were perhaps taken: they are repeated behind it, so that what
        # the topic says last of a story is its last change.
        stories = set()
        for index, record in enumerate(records):
            if index in rejected:
                stories.add((record.topic, record.key))
            if (record.topic, record.key) in stories:
                self._publish_alone(rows[owners[index]], record)

    def _mend(self) -> None:
        """Send the stories of a batch again when another relay may have published meanwhile.

        A relay that was suspended can wake up after its lease lapsed and find its batch published,
        behind newer events of the same stories. The replica refuses those; for whoever else reads
        the topic, the stories are sent once more as they are.
        """
        if self._in_doubt is None:
            return
        rows, token = self._in_doubt
        if self._clock.monotonic() >= self._lease_until:
            self._lease_checked = float("-inf")
            self._lead()
        # The next token is the same right, lapsed and taken again with nobody in between.
        if self._token not in {token, token + 1}:
            self._send_again(rows)
            self._counters.add(telemetry.SENT_AGAIN, len(rows))
            telemetry.log(_log, logging.WARNING, telemetry.RELAY_SENT_AGAIN, count=len(rows))
        self._in_doubt = None

    def _publish_alone(self, row: OutboxRecord, record: Outgoing) -> None:
        if not self._keep_waiting():
            raise Retryable("A batch was given up between two records: it stays in the outbox.")
        reasons = self._publisher.publish([record], self._keep_waiting)
        if reasons:
            self._outbox.reject(row, record, reasons[0])
            telemetry.log(_log, logging.ERROR, telemetry.OUTBOX_REJECTED, id=row.id, key=row.key)

    def _keep_waiting(self) -> bool:
        return not self._stopping() and self._lead()


def _outgoing(rows: Sequence[OutboxRecord]) -> tuple[list[Outgoing], list[int]]:
    """Return the records of rows, and for each record the index of its row."""
    records: list[Outgoing] = []
    owners: list[int] = []
    connector = cdc_settings().connector
    for index, row in enumerate(rows):
        for record in encode(row, Version(row.epoch, row.id), connector):
            records.append(record)
            owners.append(index)
    return records, owners


def on_retry(error: Retryable, delay: float) -> None:
    """Say why the relay waits."""
    telemetry.log(
        _log, logging.WARNING, telemetry.RELAY_RETRY, error=str(error), seconds=round(delay, 2)
    )
