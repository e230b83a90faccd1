"""The source: reads the partitions that the consumer group assigns."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.conf import CdcSettings
from cdc.errors import Fatal, Retryable
from cdc.kafka.client import ENVELOPE_ROOM, consumer_config, make_client, remake_client
from cdc.kafka.record import DAMAGED, damage, partitions_of, record_of, sources_of
from cdc.kafka.refusals import ErrorLog
from cdc.kafka.unassigned import Unassigned
from cdc.kafka.watermarks import POSITION_LOST, first_and_next, validate
from cdc.runtime import telemetry
from cdc.wire.records import Record, TopicPartition

_LEAVE_SECONDS = 2.0
_RECONNECT_SECONDS = 1.0
"""How long a poll waits for a broker after a refusal, or if no record has arrived for a while."""
_SILENT_SECONDS = 5.0
_LOST_SECONDS = 30.0
"""How long no broker may answer before the client is replaced."""
_NO_EPOCH = -1
"""The library's value for an unknown leader epoch."""
_NAME_TAKEN = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_log = logging.getLogger(__name__)
_END = KafkaError._PARTITION_EOF  # noqa: SLF001 -- the library's own name


class KafkaSource:
    """Reads the partitions that the group assigns to this process, from given offsets.

    The group's callbacks only record assignments. An assigned partition waits for `start`. From
    then on it is fetched, until `release` is called or the group revokes it.
    """

    def __init__(self, settings: CdcSettings, topics: Sequence[str], instance: str) -> None:
        self._instance = instance
        self._waiting: set[TopicPartition] = set()
        self._started: set[TopicPartition] = set()
        self._starts: dict[TopicPartition, tuple[int | None, int | None]] = {}
        self._lost: dict[TopicPartition, tuple[int | None, int | None]] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._unreadable = ""
        self._heard_at = time.monotonic()
        """When a broker last answered."""
        self._errors = ErrorLog(settings)
        self._config = consumer_config(
            settings,
            error_cb=self._errors,
            **{
                "group.id": settings.group,
                "group.instance.id": instance,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 6000,
                "auto.offset.reset": "error",
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "enable.auto.commit": True,
                "auto.commit.interval.ms": 1000,
                "fetch.message.max.bytes": settings.max_event_bytes + ENVELOPE_ROOM,
                # A new partition is fetched after the current fetch has returned. Without new
                # records, the broker returns that fetch after this time.
                "fetch.wait.max.ms": 100,
                # KiB for all partitions: limits the memory of prefetched records.
                "queued.max.messages.kbytes": 32_768,
            },
        )
        self._consumer = make_client(Consumer, self._config)
        self._topics = list(topics)
        self._unassigned = Unassigned(settings, topics)
        self._subscribe()

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records; wait up to `seconds` for the first record only.

        Raise Retryable if no broker accepts the login or TLS, or if the last poll found a damaged
        batch. The partition of that batch waits while the other partitions are read. Raise Fatal if
        the group has removed this consumer.
        """
        if self._unreadable:
            reason, self._unreadable = self._unreadable, ""
            raise Retryable(reason)
        if self._unassigned.found(self._instance):
            telemetry.log(_log, logging.WARNING, telemetry.GROUP_REJOINED)
            self._consumer.unsubscribe()
            self._subscribe()
        first = self._consumer.poll(seconds)
        if first is None:
            self._require_connection()
            return []
        self._heard_at = time.monotonic()
        # `consume` alone would wait for `limit` records or for its whole timeout.
        messages = [first, *self._consumer.consume(limit - 1, 0)]
        return [record for record in map(self._record, messages) if record is not None]

    def waiting(self) -> frozenset[TopicPartition]:
        """Return the assigned partitions that are not fetched yet."""
        return frozenset(self._waiting)

    def started(self) -> frozenset[TopicPartition]:
        """Return the partitions that are fetched."""
        return frozenset(self._started)

    def start(
        self, source: TopicPartition, offset: int | None, leader_epoch: int | None = None
    ) -> None:
        """Fetch a waiting partition from `offset`; None means its first record.

        `leader_epoch` is the leader epoch of the record before `offset`. The client uses it to
        detect that Kafka has lost this record, even if another record now has the same offset.
        Raise Retryable on an error.
        """
        at = KafkaPartition(
            source.topic,
            source.partition,
            OFFSET_BEGINNING if offset is None else offset,
            leader_epoch=_NO_EPOCH if leader_epoch is None else leader_epoch,
        )
        self._consumer.incremental_assign([at])
        self._lost.pop(source, None)
        self._starts[source] = (offset, leader_epoch)
        self._waiting.discard(source)
        self._started.add(source)
        if leader_epoch is not None:
            validate(self._consumer, at, self._errors.unavailable)

    def lost_at(self, source: TopicPartition, offset: int, leader_epoch: int | None) -> bool:
        """Return whether Kafka has lost the records of a waiting partition at this position.

        Kafka reports a loss only for the position of the last `start`. For any other position,
        return False: the partition must first be started at that position.
        """
        return self._lost.get(source) == (offset, leader_epoch)

    def first_offset(self, source: TopicPartition) -> int:
        """Return the partition's first offset in Kafka; raise Retryable if it cannot be read."""
        return first_and_next(self._consumer, source, self._errors.unavailable)[0]

    def ends(self) -> dict[TopicPartition, int]:
        """Return the ends that polls have reached since the last call, by partition.

        Some offsets before an end may have no record, for example because they belong to markers
        of another program's transactions.
        """
        found, self._ends = self._ends, {}
        return {source: end for source, end in found.items() if source in self._started}

    def release(self) -> None:
        """Stop fetching; every assigned partition then waits for the next `start`."""
        self._ends.clear()
        self._unassign(self._started)
        self._waiting |= self._started
        self._started.clear()

    def store(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store the group's offsets in Kafka, for tools that show lag.

        The consumer itself resumes at the positions that the replica stores.
        """
        ours = [
            KafkaPartition(source.topic, source.partition, offset)
            for source, offset in positions.items()
            if source in self._started
        ]
        if ours:
            self._consumer.store_offsets(offsets=ours)

    def close(self) -> None:
        """Commit the stored offsets and leave the group, so that another consumer can take over.

        Always close a source: librdkafka never ends a client whose last assignment or revocation
        was not served, so garbage-collecting such an object blocks the process.
        """
        deadline = time.monotonic() + _LEAVE_SECONDS
        with suppress(KafkaException):  # The group may already have removed this consumer.
            self._consumer.unsubscribe()
            # The client forgets its member ID when it leaves, after the last callback. A callback
            # within `Consumer.close` could block indefinitely (librdkafka issue 4884).
            while self._consumer.memberid() and time.monotonic() < deadline:
                self._consumer.poll(0.05)
        self._consumer.close()

    def _require_connection(self) -> None:
        """Raise Retryable if no record arrives because brokers refuse the login or a TLS handshake.

        The client itself would silently keep trying. A client to which no broker answers is
        replaced: it may have lost its brokers for good (see `Renewed`), and need not report that.
        """
        refusal = self._errors.last_refusal()
        if not refusal and time.monotonic() - self._heard_at < _SILENT_SECONDS:
            return
        try:
            self._consumer.list_topics(self._topics[0], timeout=_RECONNECT_SECONDS)
        except KafkaException as error:
            if time.monotonic() - self._heard_at >= _LOST_SECONDS:
                self._renew()
            if refusal:
                raise Retryable(refusal.text) from error
        else:
            self._errors.forget()
            self._heard_at = time.monotonic()

    def _renew(self) -> None:
        """Replace the client. All partitions wait until the group assigns them again."""
        client = remake_client(Consumer, self._config)
        telemetry.log(_log, logging.WARNING, telemetry.KAFKA_CLIENT_RENEWED)
        self.close()
        for known in (self._waiting, self._started, self._starts, self._lost, self._ends):
            known.clear()
        self._heard_at = time.monotonic()
        self._consumer = client
        self._subscribe()

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _record(self, message: Message) -> Record | None:
        source = TopicPartition(message.topic() or "", message.partition() or 0)
        error = message.error()
        if error is not None and error.code() != _END and error.code() not in DAMAGED:
            self._report(source, error)
            return None
        if source not in self._started:
            return None
        if error is not None and error.code() == _END:
            self._ends[source] = message.offset() or 0
            return None
        if error is not None:
            # The partition starts again at its position: the leader may have changed by then.
            self._stop(source)
            self._unreadable = damage(message, error)
            return None
        self._ends.pop(source, None)
        return record_of(message, source)

    def _report(self, source: TopicPartition, error: KafkaError) -> None:
        # The event that reports a fatal error need not be marked as fatal itself. After a fatal
        # error, `poll` returns no more records.
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise Fatal(self._explanation(error))
        lost = error.code() in POSITION_LOST
        level = logging.ERROR if lost else logging.WARNING
        place = asdict(source) if source.topic else {}
        telemetry.log(_log, level, telemetry.KAFKA_ERROR, **place, error=str(error))
        if lost and source in self._started:
            # The partition is taken over again, which shows whether the topic was recreated. If it
            # was, no records of the new topic are lost.
            self._stop(source)
            self._lost[source] = self._starts[source]

    def _stop(self, source: TopicPartition) -> None:
        """Stop fetching one partition, which then waits for the next `start`."""
        self._unassign({source})
        self._ends.pop(source, None)
        self._started.discard(source)
        self._waiting.add(source)

    def _explanation(self, error: KafkaError) -> str:
        if _NAME_TAKEN in error.str():
            return (
                f"Kafka removed this consumer from its group: another process has joined as "
                f"{self._instance!r}, or Kafka no longer knows this process. Give each process its "
                "own --instance, and restart this process."
            )
        return f"Kafka removed this consumer from its group ({error.str()}): restart the consumer."

    def _assigned(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        consumer.incremental_assign([])
        self._waiting |= sources_of(partitions)

    def _revoked(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        revoked = sources_of(partitions)
        # Called even for an empty list: otherwise the library unassigns all partitions itself,
        # which fails for partitions that are not started.
        consumer.incremental_unassign(partitions_of(revoked & self._started))
        self._waiting -= revoked
        self._started -= revoked

    def _unassign(self, sources: set[TopicPartition]) -> None:
        if sources:
            self._consumer.incremental_unassign(partitions_of(sources))
