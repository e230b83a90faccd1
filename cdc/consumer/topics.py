"""The topics that a consumer reads: their ids and their numbers of partitions."""

import logging
from collections.abc import Mapping
from typing import Protocol

from cdc.errors import Fenced
from cdc.runtime import telemetry
from cdc.runtime.loop import Clock

CHECK_SECONDS = 2.0
_RECREATED = "A topic was deleted and recreated: its partitions are taken over again."
_log = logging.getLogger("cdc.consumer")


class TopicFacts(Protocol):
    """What Kafka knows about topics."""

    def topic_id(self, topic: str) -> str:
        """Return the id that distinguishes a topic from a later one of the same name."""

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether the id of a topic differs from the one in `known`; never waits."""

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the numbers of the topic's partitions."""


class KnownTopics:
    """Remembers the ids and partitions of topics and reports changes.

    When a recreated topic has grown past the old offset, Kafka reports no lost offset and a
    consumer would resume in the middle of the new topic. So the ids are compared at intervals and
    whenever a partition is taken over.
    """

    def __init__(self, topics: TopicFacts, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._partitions: dict[str, int] = {}
        self._checked = float("-inf")
        self.ids: dict[str, str] = {}
        """By topic, as of its last take-over."""

    def check(self) -> None:
        """Raise Fenced when a topic was recreated; most calls only look at the clock."""
        now = self._clock.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        if self._topics.recreated(self.ids):
            self.ids.clear()  # The take-overs that follow fetch the new ids.
            raise Fenced(_RECREATED)

    def refresh(self, topic: str) -> None:
        """Fetch a topic's id and partitions; raise Fenced when the topic was recreated.

        One partition that lost its offset in the new topic reveals it for the others, which may
        not have lost theirs.
        """
        topic_id = self._topics.topic_id(topic)
        before = self.ids.get(topic, topic_id)
        self.ids[topic] = topic_id
        if topic_id != before:
            raise Fenced(_RECREATED)
        self._count_partitions(topic)

    def _count_partitions(self, topic: str) -> None:
        """Log added partitions: a key's events may now be in two of them."""
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
