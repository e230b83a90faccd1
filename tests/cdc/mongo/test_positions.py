"""The stored positions of a group. A consumer whose position was moved is fenced."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Fenced
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions
from cdc.mongo.replica import MongoReplica
from cdc.runtime.loop import SystemClock
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
