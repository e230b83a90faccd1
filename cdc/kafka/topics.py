"""What Kafka says of topics: their partitions, ids and offsets."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import ENVELOPE_ROOM, client_config
from cdc.wire.records import TopicPartition

if TYPE_CHECKING:
    from concurrent.futures import Future

_SECONDS = 5.0
_BROKER_LIMIT = 1_048_588
"""A topic's `max.message.bytes` unless it is told otherwise."""
_DAY_MS = 86_400_000


class Topics:
    """What Kafka's admin interface says of the topics."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._admin = AdminClient(client_config(settings))
        self._asked: dict[str, Future[Any]] = {}

    def ensure(self, topic: str, partitions: int = 0) -> None:
        """Create `topic`, compacted, unless it exists; raises Retryable while Kafka is away.

        0 partitions are as many as the settings say.
        """
        new = NewTopic(
            topic,
            num_partitions=partitions or self._settings.partitions,
            replication_factor=self._settings.replication_factor,
            config=self._topic_config(),
        )
        future = self._admin.create_topics([new], request_timeout=_SECONDS)[topic]
        try:
            future.result(_SECONDS)
        except TimeoutError as error:
            raise Retryable(_sentence("create the topic", topic, error)) from error
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Retryable(_sentence("create the topic", topic, error)) from error

    def topic_id(self, topic: str) -> str:
        """Return the id that tells a topic from a later one of the same name."""
        try:
            return str(self._describe(topic).result(_SECONDS).topic_id)
        except (KafkaException, TimeoutError) as error:
            raise Retryable(_sentence("describe the topic", topic, error)) from error

    def created_anew(self, known: Mapping[str, str]) -> bool:
        """Return whether a topic has another id than `known` says; never waits.

        Kafka is asked, and its answer counts when this is called again.
        """
        anew = False
        for topic, known_id in known.items():
            asked = self._asked.pop(topic, None)
            if asked is not None and asked.done() and asked.exception() is None:
                anew |= str(asked.result().topic_id) != known_id
                asked = None
            self._asked[topic] = asked or self._describe(topic)
        return anew

    def members(self, group: str) -> int:
        """Return how many consumers a group has; 0 for one that Kafka does not know."""
        future = self._admin.describe_consumer_groups([group], request_timeout=_SECONDS)[group]
        try:
            return len(future.result(_SECONDS).members)
        except TimeoutError as error:
            raise Retryable(_sentence("describe the group", group, error)) from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise Retryable(_sentence("describe the group", group, error)) from error

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the numbers of the topic's partitions; empty when there is no such topic."""
        try:
            metadata = self._admin.list_topics(topic, timeout=_SECONDS)
        except KafkaException as error:
            raise Retryable(_sentence("list the topic", topic, error)) from error
        return tuple(sorted(metadata.topics[topic].partitions))

    def _describe(self, topic: str) -> "Future[Any]":
        asked = TopicCollection([topic])
        return self._admin.describe_topics(asked, request_timeout=_SECONDS)[topic]

    def _topic_config(self) -> dict[str, str]:
        settings = self._settings
        largest = max(_BROKER_LIMIT, settings.max_event_bytes + ENVELOPE_ROOM)
        return {
            "cleanup.policy": "compact",
            "max.message.bytes": str(largest),
            # A consumer that was away this long still learns of a delete from its tombstone.
            "delete.retention.ms": str(settings.delete_marker_days * _DAY_MS),
            "min.insync.replicas": "2" if settings.replication_factor > 2 else "1",  # noqa: PLR2004
        }


class Watermarks:
    """Reads what partitions hold: their first and next offset, and when a record was made."""

    def __init__(self, settings: CdcSettings) -> None:
        self._consumer = Consumer(
            client_config(settings, **{"group.id": settings.group, "enable.auto.commit": False})
        )

    def of(self, source: TopicPartition) -> tuple[int, int]:
        """Return (first offset held, offset of the next record)."""
        partition = KafkaPartition(source.topic, source.partition)
        try:
            marks = self._consumer.get_watermark_offsets(partition, timeout=_SECONDS)
        except KafkaException as error:
            raise Retryable(_sentence("read the offsets of", source.topic, error)) from error
        if marks is None:
            raise Retryable(f"Kafka did not tell the offsets of {source}: try again.")
        return int(marks[0]), int(marks[1])

    def committed(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets that the group committed in Kafka; none where it has none."""
        asked = [KafkaPartition(source.topic, source.partition) for source in sources]
        try:
            found = self._consumer.committed(asked, timeout=_SECONDS)
        except KafkaException as error:
            raise Retryable(_sentence("tell the group's offsets of", "it", error)) from error
        return {
            TopicPartition(item.topic, item.partition): item.offset
            for item in found
            if item.offset >= 0
        }

    def timestamp_ms(self, source: TopicPartition, offset: int) -> int | None:
        """Return when the first record from `offset` on was made; None when it did not come."""
        self._consumer.assign([KafkaPartition(source.topic, source.partition, offset)])
        message = self._consumer.poll(_SECONDS)
        self._consumer.unassign()
        if message is None or message.error() is not None:
            return None
        return int(message.timestamp()[1])

    def since(self, source: TopicPartition, since_ms: int) -> int:
        """Return the offset of the first record made at `since_ms` or later, else the end."""
        asked = KafkaPartition(source.topic, source.partition, since_ms)
        try:
            (found,) = self._consumer.offsets_for_times([asked], timeout=_SECONDS)
        except KafkaException as error:
            raise Retryable(_sentence("look up a time in", source.topic, error)) from error
        return found.offset if found.offset >= 0 else self.of(source)[1]

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


def _sentence(verb: str, topic: str, error: BaseException) -> str:
    why = str(error) or "no answer in time"
    return f"Kafka could not {verb} {topic!r} ({why}): see that its brokers are up."
