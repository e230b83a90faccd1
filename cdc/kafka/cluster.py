"""Describes the brokers and the topics without creating or changing anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.admin._topic import TopicDescription

from cdc.conf import CdcSettings
from cdc.kafka.client import Renewed, client_config
from cdc.kafka.refusals import REQUEST_SECONDS, ErrorLog, Refusal
from cdc.kafka.topics import new_topic

_DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_REFUSED = _DENIED | {
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_CONFIG,
    KafkaError.POLICY_VIOLATION,
}
"""Error codes for a topic that Kafka would not create."""
_FENCED = "brokers are currently fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic that exists."""

    partitions: int
    replicas: int
    """The smallest number of replicas of a partition."""
    config: Mapping[str, str]
    """The settings of the topic; empty if this client may not read them."""
    may_read: bool
    may_write: bool


class Cluster:
    """The brokers; methods raise Retryable if Kafka does not respond."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._errors = ErrorLog(settings)
        self._admin = Renewed(
            AdminClient, client_config(settings, error_cb=self._errors), self._errors
        )

    def brokers(self) -> int | Refusal:
        """Return the number of running brokers, or why they refuse the login."""
        answer = self._admin().describe_cluster(request_timeout=REQUEST_SECONDS)
        try:
            return len(self._errors.answer(self._admin(), answer).nodes)
        except (KafkaException, TimeoutError) as error:
            refusal = self._errors.refusal()
            if refusal and refusal.is_login:
                return refusal
            raise self._errors.unavailable("describe", "the cluster", error) from error

    def topic(self, name: str) -> TopicState | str | None:
        """Return a topic's state, None if it does not exist, or why this client cannot see it."""
        answer = self._admin().describe_topics(
            TopicCollection([name]),
            include_authorized_operations=True,
            request_timeout=REQUEST_SECONDS,
        )[name]
        try:
            return self._state(name, self._errors.answer(self._admin(), answer))
        except TimeoutError as error:
            raise self._errors.unavailable("describe the topic", name, error) from error
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            if code in _DENIED:
                return str(error.args[0].str())
            raise self._errors.unavailable("describe the topic", name, error) from error

    def config(self, name: str) -> dict[str, str]:
        """Return the settings of a topic; empty if this client may not read them."""
        asked = ConfigResource(ResourceType.TOPIC, name)
        answer = self._admin().describe_configs([asked], request_timeout=REQUEST_SECONDS)[asked]
        try:
            found: Mapping[str, Any] = self._errors.answer(self._admin(), answer)
        except TimeoutError as error:
            raise self._errors.unavailable("describe the configuration of", name, error) from error
        except KafkaException as error:
            if error.args[0].code() in _DENIED:
                return {}
            raise self._errors.unavailable("describe the configuration of", name, error) from error
        return {key: str(entry.value) for key, entry in found.items()}

    def refusal(self, name: str, partitions: int) -> str:
        """Return why Kafka would not create a topic; empty if it would, or if the topic exists."""
        new = new_topic(self._settings, name, partitions)
        answer = self._admin().create_topics(
            [new], validate_only=True, request_timeout=REQUEST_SECONDS
        )[name]
        try:
            self._errors.answer(self._admin(), answer)
        except TimeoutError as error:
            raise self._errors.unavailable("check the topic", name, error) from error
        except KafkaException as error:
            if is_refused(error.args[0]):
                return str(error.args[0].str()).rstrip(".")
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._errors.unavailable("check the topic", name, error) from error
        return ""

    def _state(self, name: str, found: TopicDescription) -> TopicState:
        operations = set(found.authorized_operations or AclOperation)
        return TopicState(
            partitions=len(found.partitions),
            replicas=min((len(each.replicas) for each in found.partitions), default=0),
            config=self.config(name),
            may_read=AclOperation.READ in operations,
            may_write=AclOperation.WRITE in operations,
        )


def is_refused(error: KafkaError) -> bool:
    """Return whether Kafka will never create the topic that it has just refused.

    Kafka also names the replication factor if all brokers are fenced. A broker is fenced while the
    controller misses its heartbeats, and until it has caught up after a start.
    """
    return error.code() in _REFUSED and _FENCED not in str(error.str())
