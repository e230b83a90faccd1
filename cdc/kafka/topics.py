"""Creates topics, and describes topics and groups."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cdc.conf import CdcSettings
from cdc.kafka.client import ENVELOPE_ROOM, REQUEST_SECONDS, client_config, make_client, unavailable

if TYPE_CHECKING:
    from concurrent.futures import Future

_BROKER_LIMIT = 1_048_588
"""Kafka's default for `max.message.bytes`."""
_DAY_MS = 86_400_000


class Topics:
    """Kafka's topics and groups; most methods raise Retryable if Kafka does not answer."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._admin = make_client(AdminClient, client_config(settings))
        self._descriptions: dict[str, Future[Any]] = {}

    def ensure(self, topic: str, partitions: int = 0) -> None:
        """Create `topic` as a compacted topic unless it exists.

        If `partitions` is 0, use the number of partitions in the settings.
        """
        new = NewTopic(
            topic,
            num_partitions=partitions or self._settings.partitions,
            replication_factor=self._settings.replication_factor,
            config=self._topic_config(),
        )
        future = self._admin.create_topics([new], request_timeout=REQUEST_SECONDS)[topic]
        try:
            future.result(REQUEST_SECONDS)
        except TimeoutError as error:
            raise unavailable("create the topic", topic, error) from error
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise unavailable("create the topic", topic, error) from error

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of the topic; a topic that is created again gets another id."""
        try:
            return str(self._describe(topic).result(REQUEST_SECONDS).topic_id)
        except (KafkaException, TimeoutError) as error:
            raise unavailable("describe the topic", topic, error) from error

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether a topic has another id than in `known`, the ids by topic name.

        This method does not wait. Each call sends requests, and evaluates the answers to the
        requests of earlier calls.
        """
        found = False
        for topic, known_id in known.items():
            answer = self._descriptions.pop(topic, None)
            if answer is not None and answer.done():
                if answer.exception() is None:
                    found |= str(answer.result().topic_id) != known_id
                answer = None  # Also after a failure: request a description again.
            self._descriptions[topic] = answer or self._describe(topic)
        return found

    def members(self, group: str) -> int:
        """Return the number of consumers in a group; 0 if Kafka does not know the group."""
        future = self._admin.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)[
            group
        ]
        try:
            return len(future.result(REQUEST_SECONDS).members)
        except TimeoutError as error:
            raise unavailable("describe the group", group, error) from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise unavailable("describe the group", group, error) from error

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the partition numbers of the topic; empty if the topic does not exist."""
        try:
            metadata = self._admin.list_topics(topic, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise unavailable("list the topic", topic, error) from error
        return tuple(sorted(metadata.topics[topic].partitions))

    def _describe(self, topic: str) -> "Future[Any]":
        asked = TopicCollection([topic])
        return self._admin.describe_topics(asked, request_timeout=REQUEST_SECONDS)[topic]

    def _topic_config(self) -> dict[str, str]:
        settings = self._settings
        largest = max(_BROKER_LIMIT, settings.max_event_bytes + ENVELOPE_ROOM)
        return {
            "cleanup.policy": "compact",
            "max.message.bytes": str(largest),
            # A consumer that was offline for this time can still read the tombstone of a delete.
            "delete.retention.ms": str(settings.delete_marker_days * _DAY_MS),
            "min.insync.replicas": "2" if settings.replication_factor > 2 else "1",  # noqa: PLR2004
        }
