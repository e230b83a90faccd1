"""The counter that shows whether MongoDB was restored."""

from dataclasses import replace

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import connect
from cdc.mongo.replica_mark import ReplicaMark
from cdc.testing.twins import FakeClock

pytestmark = pytest.mark.services


def test_the_counter_of_a_group_increases_at_most_once_per_second(
    feed_settings: CdcSettings,
) -> None:
    client, clock = connect(feed_settings), FakeClock()
    mark = ReplicaMark(client, feed_settings, clock)
    assert mark.reached(0)
    assert not mark.reached(1)

    counts = []
    for _ in range(4):
        counts.append(mark.advance())
        clock.sleep(0.5)

    assert counts == [1, 1, 2, 2]
    assert ReplicaMark(client, feed_settings, clock).advance() == 3
    assert mark.reached(3)
    assert not mark.reached(4)
    clock.sleep(1.0)
    counters = client[feed_settings.mongodb_database][feed_settings.positions_collection]
    counters.update_one({}, {"$set": {"checkpoints": 1}})
    for _ in range(2):
        with pytest.raises(Retryable, match="MongoDB was restored during the comparison"):
            mark.advance()
    assert not mark.reached(2)
    counters.drop()
    with pytest.raises(Retryable, match="MongoDB was restored during the comparison"):
        mark.advance()
    assert not mark.reached(1)
    other = ReplicaMark(client, replace(feed_settings, group="other"), clock)
    assert not other.reached(1)
    client.drop_database(feed_settings.mongodb_database)
