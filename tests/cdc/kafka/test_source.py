"""The source of Kafka: rebalances and lost offsets."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.conf import CdcSettings
from cdc.errors import Fatal
from cdc.kafka.groups import Groups
from cdc.kafka.source import KafkaSource
from tests.support.commands import retried, wait_until
from tests.support.topics import create_topic

pytestmark = pytest.mark.services


@dataclass
class Group:
    """The members of one consumer group."""

    settings: CdcSettings
    sources: list[KafkaSource] = field(default_factory=list)

    def join(self, instance: str) -> KafkaSource:
        source = KafkaSource(self.settings, [self.settings.topic], instance)
        self.sources.append(source)
        return source

    def poll_until(self, reached: Callable[[], bool]) -> None:
        def poll_all() -> bool:
            for source in self.sources:
                source.poll(1, 0.05)
            return reached()

        wait_until(poll_all, "the expected assignment")


@pytest.fixture
def group(long_session: CdcSettings) -> Group:
    create_topic(long_session)
    return Group(long_session)


def send(settings: CdcSettings) -> None:
    """Send a record to the first partition."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    producer.produce(settings.topic, b"x", b"1", partition=0)
    assert producer.flush(60) == 0


def test_partitions_that_are_not_started_can_be_revoked(group: Group) -> None:
    first = group.join("first")
    group.poll_until(lambda: len(first.waiting()) == 5)

    second = group.join("second")
    group.poll_until(lambda: len(second.waiting()) == 2)

    assert len(first.waiting()) == 3
    first.close()
    second.close()


def test_a_replaced_source_raises_the_reason_even_when_it_is_closed(group: Group) -> None:
    first = group.join("same")
    group.poll_until(lambda: len(first.waiting()) == 5)
    first.start(min(first.waiting()), None)
    second = group.join("same")

    with (
        closing(second),
        pytest.raises(Fatal, match="another process has joined as 'same'"),
        closing(first),
    ):
        group.poll_until(lambda: False)


@pytest.mark.parametrize("was_started", [False, True])
def test_a_source_whose_partitions_wait_leaves_its_group(
    group: Group, monkeypatch: pytest.MonkeyPatch, *, was_started: bool
) -> None:
    """This happens if a consumer is stopped before it has started, or while it is paused."""
    monkeypatch.setattr("cdc.kafka.source._LEAVE_SECONDS", 60.0)
    source = group.join("only")
    group.poll_until(lambda: len(source.waiting()) == 5)
    if was_started:
        source.start(min(source.waiting()), None)
        source.release()
    source.close()
    groups = Groups(group.settings)
    assert retried(lambda: groups.members(group.settings.group)) == 0


def test_a_closed_source_has_committed_its_offsets(group: Group) -> None:
    source = group.join("only")
    group.poll_until(lambda: len(source.waiting()) == 5)
    partition = min(source.waiting())
    source.start(partition, None)
    source.store({partition: 7})
    source.close()

    reader = Consumer(
        {"bootstrap.servers": group.settings.bootstrap_servers, "group.id": group.settings.group}
    )
    with closing(reader):
        (found,) = reader.committed([KafkaPartition(partition.topic, partition.partition)], 60)
    assert found.offset == 7


def test_a_released_partition_is_started_again_while_its_offset_is_committed(group: Group) -> None:
    """The client refuses to compare leader epochs until then, as happens after a failed batch."""
    send(group.settings)
    with closing(group.join("only")) as source:
        group.poll_until(lambda: len(source.waiting()) == 5)
        partitions = sorted(source.waiting())
        for partition in partitions:
            source.start(partition, None)
        wait_until(lambda: bool(source.poll(1, 0.05)), "the record")
        source.store({partitions[0]: 1})
        source.release()

        for partition in partitions:
            source.start(partition, int(partition == partitions[0]), 0)
        assert source.started() == set(partitions)


def test_a_partition_that_lost_its_offset_waits_and_says_so(group: Group) -> None:
    source = group.join("only")
    group.poll_until(lambda: len(source.waiting()) == 5)
    partition = min(source.waiting())
    assert not source.lost_at(partition, 1_000, None)

    source.start(partition, 1_000)  # Kafka has no such offset.
    group.poll_until(lambda: partition in source.waiting())
    assert partition not in source.started()
    assert source.lost_at(partition, 1_000, None)
    assert not source.lost_at(partition, 1_000, 1), "the position was moved since"
    assert not source.lost_at(partition, 0, None)

    source.start(partition, source.first_offset(partition))
    source.poll(1, 0.5)
    assert partition in source.started()
    source.close()


def test_started_partitions_that_are_revoked_are_not_read_any_more(group: Group) -> None:
    with closing(group.join("first")) as first:
        group.poll_until(lambda: len(first.waiting()) == 5)
        for partition in first.waiting():
            first.start(partition, None)
        assert len(first.started()) == 5

        with closing(group.join("second")) as second:
            group.poll_until(lambda: len(second.waiting()) == 2)

            assert len(first.started()) == 3
            assert not first.started() & second.waiting()
            # Kafka's client does not store the offset of another member's partition.
            first.store(dict.fromkeys(second.waiting(), 0))
            first.release()
            assert len(first.waiting()) == 3
            assert not first.started()


def test_a_partition_that_lost_its_offset_can_be_started_elsewhere_and_lose_it_again(
    group: Group,
) -> None:
    source = group.join("only")
    group.poll_until(lambda: len(source.waiting()) == 5)
    partition, *others = sorted(source.waiting())
    for other in others:
        source.start(other, None)
    source.start(partition, 1_000)
    group.poll_until(lambda: partition in source.waiting())
    assert source.started() == set(others), "the others are still read"

    source.start(partition, 2_000)
    assert not source.lost_at(partition, 1_000, None)
    group.poll_until(lambda: partition in source.waiting())
    assert source.lost_at(partition, 2_000, None)
    assert not source.lost_at(partition, 1_000, None)
    source.close()
