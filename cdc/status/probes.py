"""Readiness probes of Kafka and MongoDB."""

from functools import cached_property
from typing import Any

from cdc.conf import CdcSettings
from cdc.kafka.topics import Topics
from cdc.mongo.client import connect, require_transactions
from cdc.mongo.positions import Positions
from cdc.registry import topic_names


class ServiceProbes:
    """Probes both services; each method raises Retryable while its service does not respond."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings

    def kafka(self) -> str:
        """Return the first missing topic and the remedy; empty if every topic exists."""
        for topic in topic_names():
            if not self._topics.partitions(topic):
                return f"Topic {topic} does not exist: start a relay, which creates it."
        return ""

    def mongodb(self) -> str:
        """Read from MongoDB with read concern `majority`; return an empty string.

        Raise Misconfigured if the server cannot run transactions.
        """
        require_transactions(self._client, self._settings.mongodb_uri)
        self._positions.all()
        return ""

    # Clients are created on first use, so that a process that is never probed has no clients.
    @cached_property
    def _topics(self) -> Topics:
        return Topics(self._settings)

    @cached_property
    def _client(self) -> Any:  # only `cdc.mongo` names the types of pymongo
        return connect(self._settings)

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self._client, self._settings)
