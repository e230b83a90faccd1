"""The topics that a consumer reads, as it knows them: which ones they are, how many partitions."""

import logging
from collections.abc import Mapping
from typing import Protocol

from cdc.errors import Fenced
from cdc.runtime import telemetry
from cdc.runtime.loop import Clock

LOOK_SECONDS = 2.0
_CREATED_ANEW = "A topic was deleted and created anew: its partitions are taken over again."
_log = logging.getLogger("cdc.consumer")


class TopicFacts(Protocol):
    """What Kafka says of a topic."""

    def topic_id(self, topic: str) -> str:
        """Return the id that tells a topic from a later one of the same name."""

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether a topic has another id than `known` says; never waits."""

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the numbers of the topic's partitions."""


class KnownTopics:
    """Remembers topics' ids and partitions, and says when they change.

    A topic that was created anew and has outgrown an old offset already loses no offset: Kafka
    would let a consumer read on in the middle of another topic. So the ids are compared now and
    then, and whenever a partition is taken over.
    """

    def __init__(self, topics: TopicFacts, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._partitions: dict[str, int] = {}
        self._looked = float("-inf")
        self.ids: dict[str, str] = {}
        """By topic, as of its last take-over."""

    def check(self) -> None:
        """Raise Fenced when a topic is another one now; costs next to nothing most of the time."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self._topics.recreated(self.ids):
            self.ids.clear()  # every partition is to be taken over, by the id of then
            raise Fenced(_CREATED_ANEW)

    def learn(self, topic: str) -> None:
        """Ask for a topic anew; raise Fenced when it is another one.

        One partition that lost its offset in the new topic tells of the others, which perhaps did
        not.
        """
        topic_id = self._topics.topic_id(topic)
        before = self.ids.get(topic, topic_id)
        self.ids[topic] = topic_id
        if topic_id != before:
            raise Fenced(_CREATED_ANEW)
        self._count_partitions(topic)

    def _count_partitions(self, topic: str) -> None:
        """Say when partitions were added: a key's events may now be in two of them."""
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
                advice="add partitions only to a topic that is drained",
            )
