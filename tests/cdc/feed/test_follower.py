"""The start of the follower: the most recent changes of the topic, with none left out."""

import pytest

from cdc.feed import follower as module
from cdc.feed.follower import Follower, Posted, Start
from cdc.testing.twins import MemoryBroker
from cdc.wire.records import Record, TopicPartition
from tests.cdc.feed.compacted import Compacted
from tests.cdc.feed.records import RENDERER, TOPIC
from tests.support.builders import change, outgoing, tombstone

SOURCES = [TopicPartition(TOPIC, number) for number in range(2)]


class Busy(Compacted):
    """A tail of a topic that gets a record whenever it is read."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        found = super().poll(limit, seconds)
        self.broker.logs[SOURCES[0]].append(outgoing(change("c", 99, 99), TOPIC))
        return found


class Silent(Compacted):
    """A tail of a topic whose records do not arrive."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        return []

    def ended(self) -> dict[int, int]:
        return {}


def topic() -> MemoryBroker:
    """Return two partitions with ten changes each."""
    broker = MemoryBroker(partition_count=2)
    for source in SOURCES:
        broker.logs[source] = [outgoing(change("c", key, key), TOPIC) for key in range(10)]
    return broker


def start(tail: Compacted, recent: int) -> Start:
    """Return the first object that a follower posts."""
    posted: list[Posted] = []

    def post(_: Follower, each: Posted) -> bool:
        posted.append(each)
        return False

    Follower(lambda: tail, RENDERER.render, post, lambda: None, recent)._follow(tail)
    (first,) = posted
    assert isinstance(first, Start)
    return first


def places(found: Start) -> list[tuple[int, int]]:
    return sorted(place for place, _ in found.recent)


def records(*ranges: range) -> list[tuple[int, int]]:
    return [(number, offset) for number, offsets in enumerate(ranges) for offset in offsets]


@pytest.mark.parametrize(
    ("recent", "offsets", "expected"),
    [
        (0, (10, 10), []),
        (1, (10, 10), []),
        (6, (7, 7), records(range(7, 10), range(7, 10))),
        (20, (0, 0), records(range(10), range(10))),
        (2_000, (0, 0), records(range(10), range(10))),
    ],
)
def test_the_start_includes_the_most_recent_changes(
    recent: int, offsets: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    found = start(Compacted(broker=topic(), topic=TOPIC), recent)

    assert found.position.offsets == offsets
    assert places(found) == expected


def test_the_recent_changes_are_in_time_order_and_each_partition_in_its_own() -> None:
    """Kafka returns all records of one partition before those of another."""
    broker = MemoryBroker(partition_count=2)
    for source, times in zip(SOURCES, [(1, 4, 3, 6), (2, 5, 7)], strict=True):
        broker.logs[source] = [outgoing(change("c", time, time), TOPIC) for time in times]

    found = start(Compacted(broker=broker, topic=TOPIC), 2_000)

    keys = [shown.key for _, shown in found.recent if shown]
    assert keys == ["1", "2", "4", "3", "5", "6", "7"]


@pytest.mark.parametrize("most", [1, 3, 500])
@pytest.mark.parametrize(
    ("removed", "offsets", "expected"),
    [
        ({(0, 4)}, (5, 4), records(range(5, 10), range(4, 10))),
        ({(0, 9)}, (10, 4), records(range(0), range(4, 10))),
        ({(0, 5), (0, 8), (1, 6)}, (9, 7), records(range(9, 10), range(7, 10))),
        ({(0, 3)}, (4, 4), records(range(4, 10), range(4, 10))),
        (set(records(range(4, 10), range(4, 10))), (10, 10), []),
    ],
)
def test_the_start_is_after_the_last_removed_record(
    removed: set[tuple[int, int]],
    offsets: tuple[int, int],
    expected: list[tuple[int, int]],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader that missed a removed record must get a gap. Only a read from Kafka finds it."""
    monkeypatch.setattr(module, "_MOST_RECORDS", most)

    found = start(Compacted(broker=topic(), topic=TOPIC, removed=removed), 12)

    assert found.position.offsets == offsets
    assert places(found) == expected


def test_the_start_is_not_before_the_first_record_that_kafka_has() -> None:
    found = start(Compacted(broker=topic(), topic=TOPIC, first={0: 8, 1: 10}), 2_000)

    assert found.position.offsets == (8, 10)
    assert places(found) == [(0, 8), (0, 9)]


def test_a_record_without_a_change_moves_the_end() -> None:
    broker = topic()
    broker.logs[SOURCES[1]][9] = tombstone(change("d", 9, 9), TOPIC)

    found = start(Compacted(broker=broker, topic=TOPIC), 2)

    assert dict(found.recent)[1, 9] is None
    assert dict(found.recent)[0, 9] is not None


def test_records_that_arrive_meanwhile_are_included_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_RECORDS", 3)

    found = start(Busy(broker=topic(), topic=TOPIC), 20)

    expected = records(range(len(places(found)) - 10), range(10))
    assert places(found) == expected
    assert len(expected) > 20


def test_if_the_recent_changes_do_not_arrive_the_start_is_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_RECENT_SECONDS", 0.05)

    found = start(Silent(broker=topic(), topic=TOPIC), 20)

    assert (found.position.offsets, found.recent) == ((10, 10), [])
