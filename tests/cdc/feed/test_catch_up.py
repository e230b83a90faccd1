"""Reading the changes that a reader missed, from a topic with removed records."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field

import pytest

from cdc.errors import Retryable
from cdc.feed import catch_up
from cdc.feed.catch_up import CatchUp
from cdc.feed.hub import Hub
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.runtime.stop import StopFlag
from cdc.testing.twins import MemoryBroker
from cdc.wire.records import TopicPartition
from tests.cdc.feed.compacted import Compacted
from tests.cdc.feed.records import RENDERER, TOPIC
from tests.cdc.feed.site import until
from tests.support.builders import change, outgoing, tombstone

SOURCES = [TopicPartition(TOPIC, number) for number in range(2)]


class Topic:
    """Two partitions with ten changes each, and a hub that follows them."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(partition_count=2)
        for source in SOURCES:
            self.broker.logs[source] = [
                outgoing(change("c", number, number), TOPIC) for number in range(10)
            ]
        self.removed: set[tuple[int, int]] = set()
        self.first: dict[int, int] = {}
        self.hub = Hub(self.tail, RENDERER.render, StopFlag())
        self.opened = 0

    def tail(self) -> Compacted:
        self.opened += 1
        return Compacted(broker=self.broker, topic=TOPIC, first=self.first, removed=self.removed)

    def at(self, *offsets: int) -> FeedPosition:
        return FeedPosition(FeedBounds.of(self.tail().bounds()).end.tag, offsets)

    def read(self, start: FeedPosition, end: FeedPosition) -> "Missed":
        return asyncio.run(self.missed(CatchUp(self.hub), start, end))

    async def missed(self, catch_up: CatchUp, start: FeedPosition, end: FeedPosition) -> "Missed":
        missed = Missed(start)
        async with aclosing(catch_up.read(start, end)) as batches:
            async for batch in batches:
                missed.lost += batch.lost
                missed.places += [(one.partition, one.offset) for one, _ in batch.changes]
                for one, at in batch.changes:
                    assert at.offsets[one.partition] == one.offset + 1
                assert batch.position.covers(missed.position)
                missed.position = batch.position
        return missed


@dataclass
class Missed:
    """All changes that were read, and the number of lost ones."""

    position: FeedPosition
    lost: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)


@pytest.fixture(params=[1, 3, 200])
def topic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Topic:
    monkeypatch.setattr(catch_up, "_POLL_RECORDS", request.param)
    monkeypatch.setattr(catch_up, "_POLL_SECONDS", 0.01)
    return Topic()


def test_exactly_the_changes_between_two_positions_are_read(topic: Topic) -> None:
    missed = topic.read(topic.at(3, 8), topic.at(6, 10))

    assert sorted(missed.places) == [(0, 3), (0, 4), (0, 5), (1, 8), (1, 9)]
    assert (missed.lost, missed.position) == (0, topic.at(6, 10))


def test_a_partition_of_which_nothing_was_missed_is_left_alone(topic: Topic) -> None:
    missed = topic.read(topic.at(3, 9), topic.at(6, 4))

    assert sorted(missed.places) == [(0, 3), (0, 4), (0, 5)]
    assert (missed.lost, missed.position) == (0, topic.at(6, 9))


@pytest.mark.parametrize(
    ("removed", "lost"),
    [
        ([2], 1),
        ([3, 4], 2),
        ([2, 4, 6], 3),
        ([7], 1),
        ([6, 7], 2),
        ([2, 3, 4, 5, 6, 7], 6),
        ([1, 8, 9], 0),
        ([7, 8], 1),
        ([7, 8, 9], 1),
        ([], 0),
    ],
)
def test_removed_records_are_counted_once_and_only_those_missed(
    topic: Topic, removed: list[int], lost: int
) -> None:
    topic.removed = {(0, offset) for offset in removed}

    missed = topic.read(topic.at(2, 10), topic.at(8, 10))

    assert missed.lost == lost
    assert missed.places == [(0, number) for number in range(2, 8) if number not in removed]
    assert missed.position == topic.at(8, 10)


def test_records_removed_from_the_start_of_a_partition_are_counted(topic: Topic) -> None:
    topic.first = {0: 5, 1: 9}
    topic.removed = {(0, 6)}

    missed = topic.read(topic.at(2, 9), topic.at(8, 10))

    assert missed.lost == 3 + 1
    assert sorted(missed.places) == [(0, 5), (0, 7), (1, 9)]
    assert missed.position == topic.at(8, 10)


def test_a_partition_that_lost_all_that_was_missed_ends_at_the_end_asked_for(topic: Topic) -> None:
    topic.first = {0: 9}

    missed = topic.read(topic.at(2, 9), topic.at(8, 10))

    assert (missed.lost, missed.places) == (6, [(1, 9)])
    assert missed.position == topic.at(8, 10)


def test_a_tombstone_is_no_loss(topic: Topic) -> None:
    topic.broker.logs[SOURCES[0]][3] = tombstone(change("d", 3, 3), TOPIC)

    missed = topic.read(topic.at(2, 10), topic.at(5, 10))

    assert (missed.lost, missed.places) == (0, [(0, 2), (0, 4)])


READERS = 12


def test_readers_that_take_nothing_block_no_other_reader(topic: Topic) -> None:
    start, end = topic.at(0, 0), topic.at(10, 10)

    async def scene() -> None:
        catch_up = CatchUp(topic.hub)
        async with AsyncExitStack() as stack, asyncio.timeout(60):
            for _ in range(READERS):
                slow = await stack.enter_async_context(aclosing(catch_up.read(start, end)))
                assert (await anext(slow)).changes
            missed = Missed(start)
            async with aclosing(catch_up.read(start, end)) as batches:
                async for batch in batches:
                    missed.places += [(one.partition, one.offset) for one, _ in batch.changes]
            assert len(set(missed.places)) == len(missed.places) == 20

    asyncio.run(scene())


@pytest.mark.parametrize("topic", [3], indirect=True)
def test_readers_that_take_turns_share_few_tails(topic: Topic) -> None:
    start, end = topic.at(0, 0), topic.at(10, 10)

    opened = topic.opened

    async def scene() -> None:
        catch_up = CatchUp(topic.hub)
        found = await asyncio.gather(*(topic.missed(catch_up, start, end) for _ in range(READERS)))
        for missed in found:
            assert sorted(missed.places) == [(n, at) for n in range(2) for at in range(10)]
            assert (missed.lost, missed.position) == (0, end)
        assert len(catch_up._idle) == topic.opened - opened <= 4

    asyncio.run(scene())


def test_the_tails_are_closed_after_the_last_reader(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "_LINGER_SECONDS", 0.05)

    async def scene() -> None:
        catch_up = CatchUp(topic.hub)
        await topic.missed(catch_up, topic.at(0, 0), topic.at(10, 10))
        assert catch_up._idle
        await until(lambda: not catch_up._idle)

    asyncio.run(scene())


def test_a_tail_that_failed_is_not_used_again(topic: Topic) -> None:
    start, end = topic.at(0, 0), topic.at(10, 10)

    async def scene() -> None:
        catch_up = CatchUp(topic.hub)
        async with aclosing(catch_up.read(start, end)) as batches:
            await anext(batches)
            topic.broker.down = True
            with pytest.raises(Retryable):
                async for _ in batches:
                    pass
        assert catch_up._idle == []
        topic.broker.down = False
        assert len((await topic.missed(catch_up, start, end)).places) == 20

    if catch_up._POLL_RECORDS < READERS:  # otherwise, there is no second batch
        asyncio.run(scene())
