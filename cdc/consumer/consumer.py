"""The consumer: applies each event of its topics to the replica exactly once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from cdc.consumer import spans
from cdc.consumer.batches import RECORDS, BatchSize, Decoded
from cdc.consumer.conflicts import Conflicts, index_of
from cdc.consumer.epochs import KnownEpochs
from cdc.consumer.interfaces import DeadLetters, Replica, Source
from cdc.consumer.old_events import OldEvents
from cdc.consumer.rejection_limit import RejectionLimit, report_rejected
from cdc.consumer.tombstones import Tombstones
from cdc.consumer.topics import KnownTopics, TopicFacts, report_taken
from cdc.errors import Fenced, Rejected, Retryable
from cdc.mongo.plan import Applied, Conflict, Delivered, Route, StoredPosition, deliver
from cdc.runtime import fault_points, telemetry
from cdc.runtime.clock import Clock
from cdc.wire.event import ChangeEvent, decode
from cdc.wire.records import Record, TopicPartition

_WAIT_SECONDS = 0.2
_CHECK_SECONDS = 1.0
_log = logging.getLogger(__name__)


class ReplicaConsumer:
    """Applies batches of records to the replica, which also stores the positions.

    The positions move in the transaction that applies a batch. After a failure, the consumer takes
    over its partitions again, and reads the batch again.
    """

    def __init__(
        self,
        *,
        source: Source,
        topics: TopicFacts,
        replica: Replica,
        dead_letters: DeadLetters,
        routes: Mapping[str, Route],
        source_epoch: Callable[[], int],
        old_events: OldEvents,
        counters: telemetry.Tally,
        clock: Clock,
        limit: RejectionLimit | None = None,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """`paused` is called before each batch and must return at once."""
        self._source = source
        self._replica = replica
        self._dead_letters = dead_letters
        self._routes = routes
        self._tombstones = Tombstones(routes)
        self._old_events = old_events
        self._epochs = KnownEpochs(source_epoch)
        self._counters = counters
        self._clock = clock
        self._checked = float("-inf")
        self._known_topics = KnownTopics(topics, clock)
        self._limit = limit or RejectionLimit()
        self._size = BatchSize(routes)
        self._conflicts = Conflicts()
        self._caught_up = True
        self._positions: dict[TopicPartition, int | None] = {}  # As this consumer last moved them.
        self._paused = paused
        self._was_paused = False

    def run_once(self) -> bool:
        """Apply one batch. Return True, because the next call itself waits for records."""
        paused = self._is_paused()
        records = self._source.poll(self._size.records, _WAIT_SECONDS)
        if paused:  # Polling without fetching keeps this consumer in its group.
            self._counters.flush()
            return True
        try:
            self._known_topics.check()
            self._take_over()
            if records:
                fault_points.reach(fault_points.CONSUMER_POLLED)
                self._apply(records)
            self._pass_ends()
            self._check()
            self._counters.flush()
        except (Retryable, Rejected) as error:
            self._counters.add(telemetry.FENCED if isinstance(error, Fenced) else telemetry.RETRIED)
            self._replica.forget()
            self._source.release()
            # The alert on retries must fire during the outage, not when it has ended.
            self._counters.flush()
            raise
        return True

    def _is_paused(self) -> bool:
        """Return whether the group is paused; stop fetching when a pause begins."""
        paused = self._paused()
        if paused != self._was_paused:
            self._was_paused = paused
            event = telemetry.CONSUMER_PAUSED if paused else telemetry.CONSUMER_RESUMED
            telemetry.log(_log, logging.INFO, event)
            if paused:
                self._replica.forget()
                self._source.release()
        return paused

    def _check(self) -> None:
        """Detect within a second that the position of any partition was moved."""
        now = self._clock.monotonic()
        if now - self._checked >= _CHECK_SECONDS:
            self._checked = now
            self._replica.check(self._source.started())

    def _take_over(self) -> None:
        waiting = sorted(self._source.waiting())
        for topic in {source.topic for source in waiting}:
            self._known_topics.refresh(topic)
        for source in waiting:
            self._tombstones.forget(source)
            position = self._replica.take_over(source, self._known_topics.ids[source.topic])
            fault_points.reach(fault_points.CONSUMER_TAKEN)
            position = self._after_gap(source, position)
            self._positions[source] = position.next_offset
            self._source.start(source, position.next_offset, position.leader_epoch)
            report_taken(source, position)

    def _after_gap(self, source: TopicPartition, position: StoredPosition) -> StoredPosition:
        """Return `position`, or the first offset in Kafka if the records at `position` are lost.

        Events that are read again are not applied twice; a reconciliation finds missing changes. A
        partition without a position also starts at its first offset, which is then stored.
        """
        lost_from, epoch = position.next_offset, position.leader_epoch
        if lost_from is not None and not self._source.lost_at(source, lost_from, epoch):
            return position
        resumed = self._replica.record_gap(source, self._source.first_offset(source))
        if lost_from is not None:
            lost = {"lost_from": lost_from, "resumed_at": resumed.next_offset}
            gap = telemetry.PARTITION_GAP
            telemetry.log(_log, logging.ERROR, gap, **asdict(source), **lost)
        return replace(resumed, recreated=position.recreated)

    def _apply(self, records: Sequence[Record]) -> None:
        decoded = ((record, self._decode(record)) for record in records)
        self._caught_up = len(records) < min(self._size.records, RECORDS)
        whole = True
        for batch in self._size.cut(decoded):
            if not whole:  # After a failure, the positions of all partitions must be read again.
                self._retake(batch)
            whole = self._apply_batch(batch) and whole

    def _apply_batch(self, decoded: Sequence[Decoded]) -> bool:
        started = self._clock.monotonic()
        applied = self._apply_or_split(decoded)
        if applied is not None:
            elapsed = round((self._clock.monotonic() - started) * 1000, 1)
            counts = {"records": len(decoded), "ms": elapsed, **asdict(applied)}
            telemetry.log(_log, logging.DEBUG, telemetry.BATCH_APPLIED, **counts)
        return applied is not None

    def _apply_or_split(self, decoded: Sequence[Decoded]) -> Applied | None:
        """Apply records as one batch; return None if they had to be applied in parts."""
        batch = self._tombstones.without_repeats([each for _, each in decoded if each is not None])
        advance = {record.source: record.offset + 1 for record, _ in decoded}
        epochs = {record.source: record.leader_epoch for record, _ in decoded}
        try:
            # Query the database before the transaction, which must not wait for it.
            deleted_rows = self._old_events.deleted_rows(batch)
            with self._size.watching(len(decoded)), spans.applying(decoded):
                applied = self._replica.apply(batch, advance, deleted_rows, epochs)
        except Rejected as error:
            self._split(decoded, error)
            return None
        except Conflict as conflict:
            self._hold_up(decoded, conflict)
            return None
        fault_points.reach(fault_points.CONSUMER_APPLIED)
        self._counters.add(telemetry.DUPLICATE, applied.duplicates)
        self._counters.add(telemetry.STALE, applied.stale)
        self._moved(advance)
        self._conflicts.settle(batch)
        self._tombstones.applied(batch)
        self._limit.applied(len(batch))
        return applied

    def _split(self, decoded: Sequence[Decoded], error: Rejected) -> None:
        """Find the rejected record by halving, store it as a dead letter, and apply the rest."""
        self._retake(decoded)
        middle = len(decoded) // 2
        if not middle:
            (record, _) = decoded[0]
            self._reject(record, error)
            advance = {record.source: record.offset + 1}
            self._replica.apply([], advance, (), {record.source: record.leader_epoch})
            self._moved(advance)
        elif self._apply_or_split(decoded[:middle]):
            self._apply_or_split(decoded[middle:])
        else:
            self._retake(decoded[middle:])
            self._apply_or_split(decoded[middle:])

    def _hold_up(self, decoded: Sequence[Decoded], conflict: Conflict) -> None:
        """Apply the records that need not wait for the conflicting record, then raise `conflict`.

        Only later records of the same partition wait, until another change frees the unique value.
        If the conflict is permanent, the record becomes a dead letter, and nothing is raised.
        """
        self._retake(decoded)
        at = index_of(conflict, decoded)
        source, rest = decoded[at][0].source, decoded[at + 1 :]
        others = [*decoded[:at], *(pair for pair in rest if pair[0].source != source)]
        lasting = self._conflicts.lasts(conflict, counts=self._caught_up)
        if others:
            self._apply_or_split(others)
        if not lasting:
            raise conflict
        self._split(decoded[at : at + 1], Rejected(str(conflict)))
        if held := [pair for pair in rest if pair[0].source == source]:
            self._apply_or_split(held)

    def _pass_ends(self) -> None:
        """Move positions past offsets without a record at the ends of partitions.

        Otherwise, the markers of another program's transactions would count as unapplied changes.
        The leader epochs at these offsets are unknown.
        """
        ends = self._source.ends().items()
        passed = {source: end for source, end in ends if end > (self._positions[source] or 0)}
        if passed:
            self._replica.apply([], passed)
            self._moved(passed)

    def _moved(self, advance: Mapping[TopicPartition, int]) -> None:
        self._positions.update(advance)
        self._source.store(advance)

    def _retake(self, decoded: Sequence[Decoded]) -> None:
        """After a failure, take over all partitions again; raise Fenced if a position was moved."""
        for source in self._source.started() | {record.source for record, _ in decoded}:
            position = self._replica.take_over(source, self._known_topics.ids[source.topic])
            if position.next_offset != self._positions[source]:
                place = f"partition {source.partition} of {source.topic}"
                raise Fenced(f"The position of {place} was moved: the batch is discarded.")

    def _decode(self, record: Record) -> Delivered | None:
        try:
            if record.value is None:
                return self._deliver_tombstone(record)
            return self._deliver(record, record.value)
        except Rejected as error:
            self._reject(record, error)
            return None

    def _deliver(self, record: Record, value: bytes) -> Delivered | None:
        event = decode(record.key, value)
        route = self._routes.get(event.table)
        if route is None:
            raise Rejected(f"source.table is {event.table[:60]!r}, which is not captured here.")
        self._epochs.check(event.version.epoch)
        try:
            return deliver(event, route, record.source, record.offset)
        except Rejected:
            if not self._is_stale(event, route):
                raise
        self._counters.add(telemetry.STALE)
        self._limit.applied(1)
        return None

    def _is_stale(self, event: ChangeEvent, route: Route) -> bool:
        """Return whether the replica has this event's change or a later change of the same row.

        An event that does not fit the table may be older than a change of the table's columns.
        """
        if event.key_column != route.key:
            return False
        try:
            held = self._replica.version(event.table, event.key)
        except Rejected:  # No row has such a key.
            return False
        return held is not None and held >= event.version

    def _deliver_tombstone(self, record: Record) -> Delivered | None:
        event = self._tombstones.event(record)
        if event is None:
            return None
        self._epochs.check(event.version.epoch)
        route = self._routes[event.table]
        return deliver(event, route, record.source, record.offset, tombstone=True)

    def _reject(self, record: Record, error: Rejected) -> None:
        topic_id = self._known_topics.ids[record.source.topic]
        new = self._dead_letters.store(record, topic_id, str(error))
        fault_points.reach(fault_points.DEAD_LETTER_STORED)
        report_rejected(record, error.without_values)
        if new:
            self._counters.add(telemetry.REJECTED)
            self._limit.rejected()
