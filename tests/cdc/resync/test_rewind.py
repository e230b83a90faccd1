"""A rewind moves exactly the named partitions, and none if a target is impossible."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Fenced, Misconfigured
from cdc.models import OperatorAction
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions
from cdc.mongo.replica import MongoReplica
from cdc.operator_log import system_user
from cdc.resync.rewind import Moved, Target, at_offset, at_time, earliest, rewind
from cdc.runtime.clock import SystemClock
from cdc.wire.records import TopicPartition
from tests.cdc.resync.filled_topic import FIRST_MS, fill
from tests.support.builders import ROUTES

pytestmark = [pytest.mark.services, pytest.mark.django_db]
START = datetime.fromtimestamp(FIRST_MS / 1000, tz=UTC)


class Group:
    """Two topics with records, of which a consumer has applied some."""

    def __init__(self, settings: CdcSettings) -> None:
        self.settings = settings
        self.topic, self.beside = settings.topic, f"{settings.topic}-beside"
        fill(settings, self.topic, {0: 5, 1: 3}, first={0: 2})
        fill(settings, self.beside, {0: 4})
        client = connect(settings)
        self.replica = MongoReplica(client, settings, ROUTES, "a", clock=SystemClock())
        self.replica.prepare()
        self.positions = Positions(client, settings)
        self.applied = {self.at(0): 4, self.at(1): 3}
        for source in self.applied:
            self.replica.take_over(source, "topic 1")
        self.replica.apply([], self.applied, leader_epochs=dict.fromkeys(self.applied, 0))

    def at(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)

    def gaps(self) -> list[tuple[TopicPartition, int, int]]:
        return [(gap.source, gap.lost_from, gap.resumed_at) for gap in self.positions.gaps()]

    def rewind(
        self, target: Target, partition: int | None = None, *topics: str, who: str = "somebody"
    ) -> list[Moved]:
        return rewind(self.settings, topics or [self.topic], target, partition, who)


@pytest.fixture
def group(feed_settings: CdcSettings) -> Iterator[Group]:
    yield Group(feed_settings)
    connect(feed_settings).drop_database(feed_settings.mongodb_database)


def test_every_partition_is_moved_to_its_first_record(group: Group) -> None:
    moved = group.rewind(earliest)

    assert moved == [
        Moved(source=group.at(0), before=4, after=2),
        Moved(source=group.at(1), before=3, after=0),
    ]
    assert group.positions.all() == {group.at(0): 2, group.at(1): 0}
    assert group.gaps() == []


def test_only_the_named_partition_is_moved(group: Group) -> None:
    assert group.rewind(at_offset(1), 1) == [Moved(source=group.at(1), before=3, after=1)]

    assert group.positions.all() == {**group.applied, group.at(1): 1}


def test_every_topic_is_moved_even_where_nothing_was_applied(group: Group) -> None:
    beside = TopicPartition(group.beside, 0)

    moved = group.rewind(earliest, 0, group.topic, group.beside)

    assert moved == [
        Moved(source=group.at(0), before=4, after=2),
        Moved(source=beside, before=None, after=0),
    ]
    assert group.positions.all() == {group.at(0): 2, group.at(1): 3, beside: 0}


@pytest.mark.parametrize(
    ("seconds", "after"), [(0, (2, 0)), (2.5, (3, 3)), (3, (3, 3)), (1, (2, 1)), (99, (5, 3))]
)
def test_a_time_is_the_first_record_at_or_after_it(
    group: Group, seconds: float, after: tuple[int, int]
) -> None:
    moved = group.rewind(at_time(START + timedelta(seconds=seconds)))

    assert tuple(each.after for each in moved) == after


@pytest.mark.parametrize("offset", [2, 3])
def test_an_offset_from_the_first_to_the_end_is_held(group: Group, offset: int) -> None:
    """The end is the offset of the next record."""
    group.rewind(at_offset(offset))

    assert group.positions.all() == {group.at(0): offset, group.at(1): offset}


@pytest.mark.parametrize(
    ("offset", "partition", "message"),
    [
        (1, None, "Partition 0 of {topic} has no offset 1: use an offset from 2 to 5."),
        (6, 0, "Partition 0 of {topic} has no offset 6: use an offset from 2 to 5."),
        (4, None, "Partition 1 of {topic} has no offset 4: use an offset from 0 to 3."),
        (-1, 1, "Partition 1 of {topic} has no offset -1: use an offset from 0 to 3."),
        (0, 7, "There is no partition 7 of {topic}: see `manage.py cdc_status`."),
    ],
)
def test_nothing_is_moved_if_one_target_is_impossible(
    group: Group, offset: int, partition: int | None, message: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        group.rewind(at_offset(offset), partition)

    assert str(refused.value) == message.format(topic=group.topic)
    assert group.positions.all() == group.applied
    assert not OperatorAction.objects.exists()


def test_a_rewind_is_logged_with_its_targets(group: Group) -> None:
    group.rewind(earliest)

    (logged,) = OperatorAction.objects.all()
    assert (logged.what, logged.who) == ("rewind", system_user())
    assert logged.target == f"{group.settings.group}: {group.topic} 0 to 2, {group.topic} 1 to 0"


def test_the_consumer_is_fenced_and_resumes_at_the_new_position(group: Group) -> None:
    group.rewind(at_offset(2), 1)

    group.replica.apply([], {group.at(0): 5})  # still owned
    with pytest.raises(Fenced):
        group.replica.apply([], {group.at(1): 3})

    position = group.replica.take_over(group.at(1), "topic 1")
    assert (position.next_offset, position.leader_epoch, position.recreated) == (2, None, False)


@pytest.mark.parametrize("target", [earliest, at_offset(3), at_time(START)])
def test_a_rewind_leaves_a_gap_where_kafka_has_lost_the_newest_records(
    group: Group, target: Target
) -> None:
    """The new position no longer shows that records were lost, and no consumer has noticed it."""
    group.replica.apply([], {group.at(0): 500})

    (first, second) = group.rewind(target)

    assert group.gaps() == [(group.at(0), 500, first.after)]
    assert (first.before, second.before) == (500, 3)


def test_a_rewind_leaves_a_gap_where_the_log_was_truncated(group: Group) -> None:
    """No record of Kafka has the leader epoch of the last applied record any more."""
    group.replica.apply([], {group.at(0): 4}, leader_epochs={group.at(0): 7})

    group.rewind(earliest)

    assert group.gaps() == [(group.at(0), 4, 2)]


def test_a_rewind_of_a_recreated_topic_leaves_its_gap_to_the_consumer(group: Group) -> None:
    group.rewind(earliest, 1)

    assert group.replica.take_over(group.at(1), "topic 2").recreated
    assert group.gaps() == [(group.at(1), 0, 0)]


def test_a_partition_without_a_position_is_not_skipped_silently(group: Group) -> None:
    beside = TopicPartition(group.beside, 0)

    group.rewind(at_offset(3), 0, group.beside)

    assert group.gaps() == [(beside, 0, 3)]
