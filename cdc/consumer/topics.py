"""The topics that a consumer reads: their ids and their partition counts."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

from cdc.errors import Fenced
from cdc.mongo.plan import StoredPosition
from cdc.runtime import telemetry
from cdc.runtime.clock import Clock
from cdc.wire.records import TopicPartition

CHECK_SECONDS = 2.0
_RECREATED = "{} was deleted and recreated: its partitions are taken over again."
_log = logging.getLogger("cdc.consumer")


class TopicFacts(Protocol):
    """Kafka's descriptions of topics."""

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of the topic; a recreated topic has a different id."""

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether the id of a topic differs from `known`, without waiting for Kafka."""

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the partition numbers of the topic."""


class KnownTopics:
    """Stores the ids and partition counts of topics, and detects changes.

    A recreated topic may already have a record at the stored position. Kafka then reports no lost
    records, and a consumer would resume in the middle of the new topic. The ids are therefore
    compared at intervals, and whenever a partition is taken over.
    """

    def __init__(self, topics: TopicFacts, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._partitions: dict[str, int] = {}
        self._checked = float("-inf")
        self.ids: dict[str, str] = {}
        """The ids by topic name, as of the last take-over."""

    def check(self) -> None:
        """Raise Fenced if a topic was recreated; queries Kafka at most every `CHECK_SECONDS`."""
        now = self._clock.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        if self._topics.recreated(self.ids):
            self.ids.clear()  # The take-overs that follow fetch the new ids.
            raise Fenced(_RECREATED.format("A topic"))

    def refresh(self, topic: str) -> None:
        """Fetch a topic's id and partitions; raise Fenced if the topic was recreated.

        After a topic was recreated, Kafka may report lost records for only some of its partitions.
        Fenced makes the consumer take over all partitions again.
        """
        topic_id = self._topics.topic_id(topic)
        before = self.ids.get(topic, topic_id)
        self.ids[topic] = topic_id
        if topic_id != before:
            raise Fenced(_RECREATED.format(f"The topic {topic}"))
        self._count_partitions(topic)

    def _count_partitions(self, topic: str) -> None:
        """Log a change of the partition count: events of one key may now be in two partitions."""
        count = len(self._topics.partitions(topic))
        before = self._partitions.setdefault(topic, count)
        if count != before:
            self._partitions[topic] = count
            telemetry.log(
                _log,
                logging.WARNING,
                telemetry.PARTITIONS_CHANGED,
                topic=topic,
                before=before,
                now=count,
                advice="add partitions only to a drained topic",
            )


def report_taken(source: TopicPartition, position: StoredPosition) -> None:
    """Log that a partition was taken over, with its position; warn if its topic was recreated."""
    event, level = telemetry.PARTITION_TAKEN, logging.INFO
    if position.recreated:
        event, level = telemetry.PARTITION_RECREATED, logging.WARNING
    telemetry.log(_log, level, event, **asdict(source), offset=position.next_offset)
