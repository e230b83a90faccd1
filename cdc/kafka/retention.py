"""Finds out how long a topic keeps the records that a consumer needs."""

import time
from collections.abc import Mapping

from cdc.conf import CdcSettings
from cdc.kafka.cluster import Cluster

_FRESH_SECONDS = 60.0
"""The configuration of a topic rarely changes: it is read at this interval."""


class Retention:
    """Reads how long Kafka keeps records; raises Retryable if Kafka does not respond."""

    def __init__(self, settings: CdcSettings) -> None:
        self._cluster = Cluster(settings)
        self._known: dict[str, tuple[float, float | None]] = {}

    def seconds(self, topic: str) -> float | None:
        """Return how long Kafka is certain to keep a record that a consumer needs.

        Return None if Kafka keeps such records indefinitely, or if this client may not read the
        configuration of the topic.
        """
        read_at, seconds = self._known.get(topic, (float("-inf"), None))
        if time.monotonic() - read_at > _FRESH_SECONDS:
            seconds = kept_seconds(self._cluster.config(topic))
            self._known[topic] = time.monotonic(), seconds
        return seconds


def kept_seconds(config: Mapping[str, str]) -> float | None:
    """Return the shortest time after which Kafka may remove a record that is still needed.

    With `cleanup.policy=delete`, Kafka removes every record after `retention.ms`. With `compact`,
    Kafka keeps the newest record of each key, and a replica needs no other records. An exception is
    a delete: the tombstone is removed after `delete.retention.ms`. Return None if Kafka removes
    nothing.
    """
    policies = {policy.strip() for policy in config.get("cleanup.policy", "").split(",")}
    limits = {"delete": "retention.ms", "compact": "delete.retention.ms"}
    found = [int(config[limits[policy]]) for policy in policies & limits.keys()]
    return min((limit / 1000 for limit in found if limit >= 0), default=None)
