"""How long a topic keeps what a consumer needs."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from cdc.conf import CdcSettings
from cdc.kafka.client import REQUEST_SECONDS, client_config, unavailable

_FRESH_SECONDS = 60.0
"""The configuration of a topic seldom changes: it is read at this interval."""
_FORBIDDEN = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
)


class Retention:
    """Reads how long Kafka keeps records; raises Retryable if Kafka does not answer."""

    def __init__(self, settings: CdcSettings) -> None:
        self._admin = AdminClient(client_config(settings))
        self._known: dict[str, tuple[float, float | None]] = {}

    def seconds(self, topic: str) -> float | None:
        """Return the time for which Kafka is certain to keep a record that a consumer needs.

        Return None if Kafka keeps such records indefinitely, or if this client may not read the
        configuration of the topic.
        """
        read_at, seconds = self._known.get(topic, (float("-inf"), None))
        if time.monotonic() - read_at > _FRESH_SECONDS:
            seconds = kept_seconds(self._config(topic))
            self._known[topic] = time.monotonic(), seconds
        return seconds

    def _config(self, topic: str) -> Mapping[str, str]:
        asked = ConfigResource(ResourceType.TOPIC, topic)
        future = self._admin.describe_configs([asked], request_timeout=REQUEST_SECONDS)[asked]
        try:
            found: Mapping[str, Any] = future.result(REQUEST_SECONDS)
        except TimeoutError as error:
            raise unavailable("describe the configuration of", topic, error) from error
        except KafkaException as error:
            if error.args[0].code() in _FORBIDDEN:
                return {}
            raise unavailable("describe the configuration of", topic, error) from error
        return {name: str(entry.value) for name, entry in found.items()}


def kept_seconds(config: Mapping[str, str]) -> float | None:
    """Return the shortest time after which Kafka may remove a record that is still needed.

    With `cleanup.policy=delete`, Kafka removes every record after `retention.ms`. With `compact`,
    it keeps the newest record of each key, so that a replica needs no other. An exception is a
    delete: its tombstone is removed after `delete.retention.ms`. Return None if nothing is removed.
    """
    policies = {policy.strip() for policy in config.get("cleanup.policy", "").split(",")}
    limits = {"delete": "retention.ms", "compact": "delete.retention.ms"}
    found = [int(config[limits[policy]]) for policy in policies & limits.keys()]
    return min((limit / 1000 for limit in found if limit >= 0), default=None)
