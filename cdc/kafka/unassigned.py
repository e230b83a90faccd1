"""Finds partitions that Kafka has assigned to no member of a consumer group."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupState, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from cdc.conf import CdcSettings
from cdc.kafka.client import Renewed, client_config
from cdc.kafka.groups import Groups
from cdc.kafka.refusals import REQUEST_SECONDS, ErrorLog
from cdc.wire.records import TopicPartition

if TYPE_CHECKING:
    from concurrent.futures import Future

_INTERVAL_SECONDS = 5.0


class Unassigned:
    """Compares the group's assignment with the partitions of the topics, at intervals.

    If all consumers are killed and restarted, Kafka gives each static member its old assignment
    back, without a rebalance. A partition that was added in the meantime is then assigned to no
    member, because only the leader of the last rebalance looks for new partitions (KIP-345,
    KIP-814). Such a partition would wait until the membership of the group changes.
    """

    def __init__(self, settings: CdcSettings, topics: Sequence[str]) -> None:
        self._group, self._topics = settings.group, TopicCollection(list(topics))
        self._groups = Groups(settings)
        self._errors = ErrorLog(settings)
        self._admin = Renewed(
            AdminClient, client_config(settings, error_cb=self._errors), self._errors
        )
        self._asked = time.monotonic()
        self._answers: list[Future[Any]] = []
        self._before: frozenset[TopicPartition] = frozenset()

    def found(self, instance: str) -> bool:
        """Return whether the member `instance` must cause a rebalance. This method does not wait.

        A rebalance is needed if two consecutive checks found the same partition without a member.
        Only the member whose name sorts first causes the rebalance.
        """
        if time.monotonic() - self._asked >= _INTERVAL_SECONDS and not self._answers:
            self._ask()
        if not self._are_done():
            return False
        now, first = self._evaluate()
        lasting, self._before = now & self._before, now
        return bool(lasting) and instance == first

    def _ask(self) -> None:
        self._asked = time.monotonic()
        topics = self._admin().describe_topics(self._topics, request_timeout=REQUEST_SECONDS)
        self._answers = [self._groups.request(self._group), *topics.values()]

    def _are_done(self) -> bool:
        """Return whether all answers have arrived; forget requests that were not answered."""
        if all(answer.done() for answer in self._answers):
            return bool(self._answers)
        if time.monotonic() - self._asked >= REQUEST_SECONDS:
            self._answers = []
            self._groups.renew()
            self._admin.renew()
        return False

    def _evaluate(self) -> tuple[frozenset[TopicPartition], str]:
        """Return the unassigned partitions and the first instance; nothing during a rebalance."""
        answers, self._answers = self._answers, []
        try:
            group, *topics = [answer.result() for answer in answers]
        except KafkaException as error:
            self._errors.note(error)
            return frozenset(), ""
        if group.state is not ConsumerGroupState.STABLE:
            return frozenset(), ""
        all_partitions = {
            TopicPartition(topic.name, partition.id)
            for topic in topics
            for partition in topic.partitions
        }
        assigned = {
            TopicPartition(item.topic, item.partition)
            for member in group.members
            for item in member.assignment.topic_partitions
        }
        instances = [str(member.group_instance_id) for member in group.members]
        return frozenset(all_partitions - assigned), min(instances, default="")
