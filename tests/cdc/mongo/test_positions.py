"""The stored positions of a group. A consumer whose position was moved is fenced."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Fenced
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions, StoredOffset
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from tests.support.builders import ROUTES, SOURCE

pytestmark = pytest.mark.services


@pytest.fixture
def replica(feed_settings: CdcSettings) -> Iterator[MongoReplica]:
    client = connect(feed_settings)
    replica = MongoReplica(client, feed_settings, ROUTES, "a", clock=SystemClock())
    replica.prepare()
    yield replica
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def test_positions_are_the_groups_own(replica: MongoReplica, feed_settings: CdcSettings) -> None:
    positions = Positions(connect(feed_settings), feed_settings)
    other = Positions(connect(feed_settings), replace(feed_settings, group="another"))
    replica.take_over(SOURCE, "topic 1")
    assert positions.all() == {}, "nothing has been applied yet"

    replica.apply([], {SOURCE: 4})

    assert positions.all() == {SOURCE: 4}
    assert positions.stored() == {SOURCE: StoredOffset(next_offset=4, topic_id="topic 1")}
    assert other.all() == {}


def test_a_gap_is_open_until_it_is_closed(
    replica: MongoReplica, feed_settings: CdcSettings
) -> None:
    positions = Positions(connect(feed_settings), feed_settings)
    replica.take_over(SOURCE, "topic 1")
    replica.apply([], {SOURCE: 33})
    replica.record_gap(SOURCE, 66)

    (gap,) = before = positions.gaps()
    assert (gap.source, gap.lost_from, gap.resumed_at) == (SOURCE, 33, 66)
    assert positions.all() == {SOURCE: 66}
    replica.record_gap(SOURCE, 70)
    positions.close_gaps(before)
    assert positions.gaps(), "it has grown since"

    positions.close_gaps(positions.gaps())

    assert positions.gaps() == ()
    assert positions.all() == {SOURCE: 70}


def test_a_moved_position_has_no_leader_epoch(
    replica: MongoReplica, feed_settings: CdcSettings
) -> None:
    replica.take_over(SOURCE, "topic 1")
    replica.apply([], {SOURCE: 4}, leader_epochs={SOURCE: 3})

    Positions(connect(feed_settings), feed_settings).move(SOURCE, 1, "an operator")

    assert replica.take_over(SOURCE, "topic 1").leader_epoch is None


def test_a_moved_position_fences_its_owner(
    replica: MongoReplica, feed_settings: CdcSettings
) -> None:
    positions = Positions(connect(feed_settings), feed_settings)
    replica.take_over(SOURCE, "topic 1")
    replica.apply([], {SOURCE: 4})

    positions.move(SOURCE, 1, "an operator")

    with pytest.raises(Fenced):
        replica.apply([], {SOURCE: 5})
    assert replica.take_over(SOURCE, "topic 1").next_offset == 1


@pytest.mark.parametrize(
    ("targets", "gap"),
    [
        ([3], None),
        ([4], None),
        ([9], (4, 9)),
        ([9, 20], (4, 20)),
        ([9, 2], (4, 9)),
        ([2, 9], (2, 9)),
    ],
)
def test_a_move_over_unread_records_is_a_gap(
    replica: MongoReplica,
    feed_settings: CdcSettings,
    targets: list[int],
    gap: tuple[int, int] | None,
) -> None:
    """Kafka may have lost them, or the operator skips them."""
    positions = Positions(connect(feed_settings), feed_settings)
    replica.take_over(SOURCE, "topic 1")
    replica.apply([], {SOURCE: 4})

    for target in targets:
        positions.move(SOURCE, target, "an operator")

    assert positions.all() == {SOURCE: targets[-1]}
    assert [(each.lost_from, each.resumed_at) for each in positions.gaps()] == [gap] * bool(gap)


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize(("target", "gap"), [(5, None), (7, (5, 7))])
def test_a_partition_without_a_position_counts_as_read_up_to_its_first_record(
    replica: MongoReplica,
    feed_settings: CdcSettings,
    target: int,
    gap: tuple[int, int] | None,
    *,
    taken: bool,
) -> None:
    positions = Positions(connect(feed_settings), feed_settings)
    if taken:
        replica.take_over(SOURCE, "topic 1")

    positions.move(SOURCE, target, "an operator", first=5)

    assert positions.all() == {SOURCE: target}
    assert [(each.lost_from, each.resumed_at) for each in positions.gaps()] == [gap] * bool(gap)


@pytest.mark.parametrize(("position", "gap"), [(500, [(500, 0)]), (501, [])])
def test_a_position_at_which_records_were_lost_becomes_a_gap(
    replica: MongoReplica, feed_settings: CdcSettings, position: int, gap: list[tuple[int, int]]
) -> None:
    """But not if the consumer has moved the position in the meantime."""
    positions = Positions(connect(feed_settings), feed_settings)
    replica.take_over(SOURCE, "topic 1")
    replica.apply([], {SOURCE: 500}, leader_epochs={SOURCE: 3})
    (lost,) = positions.stored().values()
    assert lost == StoredOffset(next_offset=500, topic_id="topic 1", leader_epoch=3)
    replica.apply([], {SOURCE: position}, leader_epochs={SOURCE: 3})

    positions.move(SOURCE, 0, "an operator", lost=lost)

    assert positions.all() == {SOURCE: 0}
    assert [(each.lost_from, each.resumed_at) for each in positions.gaps()] == gap


def test_a_position_moves_while_its_consumer_moves_it(
    replica: MongoReplica, feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions = Positions(connect(feed_settings), feed_settings)
    replica.take_over(SOURCE, "topic 1")
    find = positions._positions.find_one

    def find_and_advance(*asked: Any) -> Any:
        found = find(*asked)
        if (found or {}).get("next_offset") is None:
            replica.apply([], {SOURCE: 5})
        return found

    monkeypatch.setattr(positions._positions, "find_one", find_and_advance)
    positions.move(SOURCE, 4, "an operator")

    assert positions.all() == {SOURCE: 4}
    assert positions.gaps() == ()
