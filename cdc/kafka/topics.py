"""Creates and describes topics."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cdc.conf import CdcSettings
from cdc.kafka.client import ENVELOPE_ROOM, Renewed, client_config
from cdc.kafka.refusals import REQUEST_SECONDS, ErrorLog

if TYPE_CHECKING:
    from concurrent.futures import Future

_BROKER_LIMIT = 1_048_588
"""Kafka's default for `max.message.bytes`."""
_DAY_MS = 86_400_000


class Topics:
    """Kafka's topics; most methods raise Retryable if Kafka does not respond."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._errors = ErrorLog(settings)
        self._admin = Renewed(
            AdminClient, client_config(settings, error_cb=self._errors), self._errors
        )
        self._descriptions: dict[str, Future[Any]] = {}

    def ensure(self, topic: str, partitions: int = 0) -> None:
        """Create `topic` as a compacted topic unless it exists.

        If `partitions` is 0, use the number of partitions in the settings. A client without the
        right to create topics can use a topic that exists.
        """
        if self.exists(topic):
            return
        new = new_topic(self._settings, topic, partitions)
        future = self._admin().create_topics([new], request_timeout=REQUEST_SECONDS)[topic]
        try:
            self._errors.answer(self._admin(), future)
        except TimeoutError as error:
            raise self._errors.unavailable("create the topic", topic, error) from error
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._errors.unavailable("create the topic", topic, error) from error

    def exists(self, topic: str) -> bool:
        """Return whether the topic exists."""
        try:
            self._errors.answer(self._admin(), self._describe(topic))
        except TimeoutError as error:
            raise self._errors.unavailable("describe the topic", topic, error) from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return False
            raise self._errors.unavailable("describe the topic", topic, error) from error
        return True

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of the topic; a recreated topic has a different id."""
        try:
            return str(self._errors.answer(self._admin(), self._describe(topic)).topic_id)
        except (KafkaException, TimeoutError) as error:
            raise self._errors.unavailable("describe the topic", topic, error) from error

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether the id of a topic differs from `known`, the ids by topic name.

        This method does not wait. Each call sends requests, and evaluates the answers to the
        requests of earlier calls.
        """
        found = False
        for topic, answer in list(self._descriptions.items()):
            if answer.done():
                del self._descriptions[topic]
                if (error := answer.exception()) is None:
                    found |= topic in known and str(answer.result().topic_id) != known[topic]
                else:
                    self._errors.note(error)
        if self._errors.is_unanswered:
            # Before the first new request: a client that is replaced drops its requests.
            self._admin.renew()
            self._descriptions.clear()
        for topic in known.keys() - self._descriptions.keys():
            self._descriptions[topic] = self._describe(topic)
        return found

    def partitions(
        self, topic: str, keep_waiting: Callable[[], bool] = lambda: True
    ) -> tuple[int, ...]:
        """Return the partition numbers of the topic; empty if the topic does not exist.

        Raise Retryable when `keep_waiting`, which is called during the wait, returns False.
        """
        try:
            found = self._errors.answer(self._admin(), self._describe(topic), keep_waiting)
        except TimeoutError as error:
            raise self._errors.unavailable("describe the topic", topic, error) from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return ()
            raise self._errors.unavailable("describe the topic", topic, error) from error
        return tuple(sorted(partition.id for partition in found.partitions))

    def _describe(self, topic: str) -> "Future[Any]":
        asked = TopicCollection([topic])
        return self._admin().describe_topics(asked, request_timeout=REQUEST_SECONDS)[topic]


def new_topic(settings: CdcSettings, name: str, partitions: int = 0) -> NewTopic:
    """Return the description of a topic to be created."""
    return NewTopic(
        name,
        num_partitions=partitions or settings.partitions,
        replication_factor=settings.replication_factor,
        config=topic_config(settings),
    )


def topic_config(settings: CdcSettings) -> dict[str, str]:
    """Return the configuration of a new topic."""
    return {
        "cleanup.policy": "compact",
        "max.message.bytes": str(largest_message(settings)),
        # A consumer that was offline for less than this time can still read the tombstones.
        "delete.retention.ms": str(settings.delete_marker_days * _DAY_MS),
        "min.insync.replicas": "2" if settings.replication_factor > 2 else "1",  # noqa: PLR2004
    }


def largest_message(settings: CdcSettings) -> int:
    """Return the size in bytes of the largest message that a topic must accept."""
    return max(_BROKER_LIMIT, settings.max_event_bytes + ENVELOPE_ROOM)
