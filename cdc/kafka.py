"""Kafka: the topic, a publisher that loses nothing and a source that fetches where it is told."""

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
)
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, NewTopic

from cdc import telemetry
from cdc.conf import CdcSettings
from cdc.errors import Fatal, Misconfigured, Retryable
from cdc.record import Outgoing, Record, TopicPartition

_log = logging.getLogger(__name__)
_ADMIN_SECONDS = 5.0
_ENVELOPE_ROOM = 100_000
_BROKER_LIMIT = 1_048_588
_DAY_MS = 86_400_000
_REJECTING = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD}
)
"""What Kafka says of a record that it will never take."""


def client_config(settings: CdcSettings, **config: Any) -> dict[str, Any]:
    """Return librdkafka's configuration; raises Misconfigured when no broker is named."""
    if not settings.bootstrap_servers:
        raise Misconfigured(
            "KAFKA_BOOTSTRAP_SERVERS is not set: give host:port, or start a stack by `manage.py up`."
        )
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"storyfeed@{socket.gethostname()}",
        "log.connection.close": False,
        "topic.metadata.refresh.interval.ms": 5000,
        "logger": _log,
        **config,
        **settings.kafka_config,
    }


class Topics:
    """What Kafka's admin interface says of the topics."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._admin = AdminClient(client_config(settings))

    def ensure(self, topic: str) -> None:
        """Create `topic`, compacted, unless it exists; raises Retryable while Kafka is away."""
        new = NewTopic(
            topic,
            num_partitions=self._settings.partitions,
            replication_factor=self._settings.replication_factor,
            config=self._topic_config(),
        )
        future = self._admin.create_topics([new], request_timeout=_ADMIN_SECONDS)[topic]
        try:
            future.result(_ADMIN_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Retryable(_sentence("create the topic", topic, error)) from error

    def topic_id(self, topic: str) -> str:
        """Return the id that tells a topic from a later one of the same name."""
        future = self._admin.describe_topics(
            TopicCollection([topic]), request_timeout=_ADMIN_SECONDS
        )[topic]
        try:
            return str(future.result(_ADMIN_SECONDS).topic_id)
        except (KafkaException, TimeoutError) as error:
            raise Retryable(_sentence("describe the topic", topic, error)) from error

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the numbers of the topic's partitions; empty when there is no such topic."""
        try:
            metadata = self._admin.list_topics(topic, timeout=_ADMIN_SECONDS)
        except KafkaException as error:
            raise Retryable(_sentence("list the topic", topic, error)) from error
        return tuple(sorted(metadata.topics[topic].partitions))

    def _topic_config(self) -> dict[str, str]:
        settings = self._settings
        largest = max(_BROKER_LIMIT, settings.max_event_bytes + _ENVELOPE_ROOM)
        return {
            "cleanup.policy": "compact",
            "max.message.bytes": str(largest),
            # A consumer that was away this long still learns of a delete from its tombstone.
            "delete.retention.ms": str(settings.delete_marker_days * _DAY_MS),
            "min.insync.replicas": "2" if settings.replication_factor > 2 else "1",  # noqa: PLR2004
        }


class Watermarks:
    """Reads the first and the next offset of partitions."""

    def __init__(self, settings: CdcSettings) -> None:
        self._consumer = Consumer(
            client_config(settings, **{"group.id": settings.group, "enable.auto.commit": False})
        )

    def of(self, source: TopicPartition) -> tuple[int, int]:
        """Return (first offset held, offset of the next record)."""
        partition = KafkaPartition(source.topic, source.partition)
        try:
            marks = self._consumer.get_watermark_offsets(partition, timeout=_ADMIN_SECONDS)
        except KafkaException as error:
            raise Retryable(_sentence("read the offsets of", source.topic, error)) from error
        if marks is None:
            raise Retryable(f"Kafka did not tell the offsets of {source}: try again.")
        return int(marks[0]), int(marks[1])

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


class KafkaPublisher:
    """Writes records in their order and returns when Kafka has acknowledged all of them.

    Idempotent, `acks=all`, and no record expires before another: an outage is waited out.
    """

    def __init__(self, settings: CdcSettings) -> None:
        self._config = client_config(
            settings,
            **{
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "message.timeout.ms": 0,
                "partitioner": "murmur2_random",
                "message.max.bytes": settings.max_event_bytes + _ENVELOPE_ROOM,
                "queue.buffering.max.messages": 100_000,
            },
        )
        self._producer = Producer(self._config)

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Write `records`; return what was rejected for good, reasons by index.

        Raises Retryable when any other was not acknowledged: all are to be written again. Asks
        `keep_waiting` at least every 0.1 s; when it says no, what is in flight is given up.
        """
        outcomes: dict[int, KafkaError | None] = {}
        for index, record in enumerate(records):
            self._produce(index, record, outcomes)
        try:
            while len(outcomes) < len(records):
                self._producer.poll(0.1)
                if len(outcomes) < len(records) and not keep_waiting():
                    raise Retryable("Records in flight were given up: they stay in the outbox.")
        except Retryable:
            # What is in flight must not arrive after somebody else's newer records.
            self._start_again()
            raise
        return self._verdict(outcomes)

    def close(self) -> None:
        """Drop what is in flight."""
        self._producer.purge()
        self._producer.poll(0)

    def _produce(
        self, index: int, record: Outgoing, outcomes: dict[int, KafkaError | None]
    ) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            outcomes[index] = error

        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    timestamp=record.timestamp_ms,
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                outcomes[index] = error.args[0]
                return
            else:
                self._producer.poll(0)
                return

    def _verdict(self, outcomes: Mapping[int, KafkaError | None]) -> dict[int, str]:
        failed = {index: error for index, error in outcomes.items() if error is not None}
        for error in failed.values():
            if error.code() not in _REJECTING or error.fatal():
                # A producer with a fatal error never sends again; a new one starts from the
                # lowest row that is not acknowledged.
                self._start_again()
                raise Retryable(f"Kafka did not take a batch ({error}): it is sent again.")
        return {index: str(error) for index, error in failed.items()}

    def _start_again(self) -> None:
        self.close()
        self._producer = Producer(self._config)


class KafkaSource:
    """Reads records of the partitions that the group gives this process, from where it is told.

    The group's callbacks only take note. A partition is fetched from after `start`, and from then
    on until `release` or until the group takes it away.
    """

    def __init__(self, settings: CdcSettings, topics: Sequence[str], instance: str) -> None:
        self._waiting: set[TopicPartition] = set()
        self._started: set[TopicPartition] = set()
        self._consumer = Consumer(
            client_config(
                settings,
                **{
                    "group.id": settings.group,
                    "group.instance.id": instance,
                    "partition.assignment.strategy": "cooperative-sticky",
                    "session.timeout.ms": 6000,
                    "auto.offset.reset": "error",
                    "enable.auto.offset.store": False,
                    "enable.auto.commit": True,
                    "auto.commit.interval.ms": 1000,
                    "fetch.message.max.bytes": settings.max_event_bytes + _ENVELOPE_ROOM,
                    # Bounds the memory that waiting records take, in KiB over all partitions.
                    "queued.max.messages.kbytes": 32_768,
                },
            )
        )
        self._consumer.subscribe(
            list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records, waiting `seconds` for the first one only."""
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        # `consume` alone would wait for `limit` records or for its whole timeout.
        messages = [first, *self._consumer.consume(limit - 1, 0)]
        return [record for record in map(self._record, messages) if record is not None]

    def waiting(self) -> frozenset[TopicPartition]:
        """Return the partitions that are ours and not started."""
        return frozenset(self._waiting)

    def started(self) -> frozenset[TopicPartition]:
        """Return the partitions that are fetched."""
        return frozenset(self._started)

    def start(self, source: TopicPartition, offset: int | None) -> None:
        """Fetch a waiting partition from `offset`; None is its first record."""
        at = OFFSET_BEGINNING if offset is None else offset
        self._consumer.incremental_assign([KafkaPartition(source.topic, source.partition, at)])
        self._waiting.discard(source)
        self._started.add(source)

    def release(self) -> None:
        """Stop fetching; every partition waits to be started again."""
        self._unassign(self._started)
        self._waiting |= self._started
        self._started.clear()

    def store(self, positions: Mapping[TopicPartition, int]) -> None:
        """Let Kafka know how far we are, for tools that read lag; what counts is elsewhere."""
        ours = [
            KafkaPartition(source.topic, source.partition, offset)
            for source, offset in positions.items()
            if source in self._started
        ]
        if ours:
            self._consumer.store_offsets(offsets=ours)

    def close(self) -> None:
        """Commit what was stored and leave the group."""
        self._consumer.close()

    def _record(self, message: Message) -> Record | None:
        source = TopicPartition(message.topic() or "", message.partition() or 0)
        error = message.error()
        if error is not None:
            self._complain(source, error)
            return None
        if source not in self._started:
            return None
        key, value = message.key(), message.value()
        return Record(source=source, offset=message.offset() or 0, key=key, value=value)  # type: ignore[arg-type]

    def _complain(self, source: TopicPartition, error: KafkaError) -> None:
        if error.fatal():
            raise Fatal(f"Kafka put this consumer out ({error}): start it again.")
        level = logging.ERROR if error.code() == KafkaError._AUTO_OFFSET_RESET else logging.WARNING
        telemetry.log(
            _log, level, telemetry.KAFKA_ERROR, partition=source.partition, error=str(error)
        )
        if error.code() == KafkaError._AUTO_OFFSET_RESET and source in self._started:
            # Said, and started again from what Kafka still holds; reconcile finds what is missing.
            telemetry.log(_log, logging.ERROR, telemetry.PARTITION_GAP, partition=source.partition)
            self._unassign({source})
            self._started.discard(source)
            self.start(source, None)

    def _assigned(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        consumer.incremental_assign([])
        self._waiting |= _plain(partitions)

    def _revoked(self, _consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        gone = _plain(partitions)
        self._unassign(gone & self._started)
        self._waiting -= gone
        self._started -= gone

    def _unassign(self, sources: set[TopicPartition]) -> None:
        if sources:
            self._consumer.incremental_unassign(
                [KafkaPartition(source.topic, source.partition) for source in sources]
            )


def _plain(partitions: Sequence[KafkaPartition]) -> set[TopicPartition]:
    return {TopicPartition(item.topic, item.partition) for item in partitions}


def _sentence(verb: str, topic: str, error: BaseException) -> str:
    return f"Kafka could not {verb} {topic!r} ({error}): see that its brokers are up."
