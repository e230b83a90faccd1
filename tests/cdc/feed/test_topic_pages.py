"""Pages of the topic show each change once, in the order of time, in both directions."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from django.http import QueryDict

from cdc.audience import Audience
from cdc.errors import Retryable
from cdc.feed import topic_pages
from cdc.feed.filter import Filter
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.feed.topic_pages import TopicPage, TopicPages
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from cdc.wire.records import Outgoing, TopicPartition
from tests.cdc.feed.compacted import Compacted
from tests.cdc.feed.records import RENDERER, TOPIC, update
from tests.support.builders import change, outgoing

ALL = Filter()
OPERATORS = Audience.OPERATORS


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_pages, "PAGE", 10)
    monkeypatch.setattr(topic_pages, "_WINDOW", 4)


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker(partition_count=3)
    for number in range(1, 48):
        event = change("d" if number % 7 == 0 else "c", number, number)
        records = [outgoing(event, TOPIC)]
        if event.deletes:
            records.append(
                Outgoing(topic=TOPIC, key=records[0].key, value=None, headers=(), timestamp_ms=1)
            )
        broker.publish(records, lambda: True)
    return broker


def made(broker: MemoryBroker, **first: int) -> TopicPages:
    held = {int(name[1:]): offset for name, offset in first.items()}
    return TopicPages(lambda: MemoryTail(broker=broker, topic=TOPIC, first=held), RENDERER.render)


def keys(changes: list[RenderedChange]) -> list[int]:
    return [int(item.key) for item in changes]


def walk(
    turn: Callable[[FeedPosition | None], TopicPage], onward: str, at: FeedPosition | None
) -> list[TopicPage]:
    pages = [turn(at)]
    while place := getattr(pages[-1], onward):
        pages.append(turn(place))
        assert len(pages) < 50
    return pages


def test_paging_back_from_the_end(broker: MemoryBroker) -> None:
    source = made(broker)
    pages = walk(lambda at: source.newest(at, ALL, OPERATORS), "older", None)
    assert [number for page in pages for number in keys(page.changes)] == list(range(47, 0, -1))
    assert [len(page.changes) for page in pages[:-1]] == [10] * (len(pages) - 1)
    assert pages[0].live
    assert pages[0].newer is None
    assert not any(page.live for page in pages[1:])
    assert all(page.newer for page in pages[1:])


def test_paging_forward_from_the_start(broker: MemoryBroker) -> None:
    source = made(broker)
    start = FeedBounds.of(MemoryTail(broker=broker, topic=TOPIC).bounds()).first
    pages = walk(lambda at: source.since(at, ALL, OPERATORS), "newer", start)
    assert [n for page in pages for n in keys(page.changes)[::-1]] == list(range(1, 48))
    assert [bool(page.live) for page in pages] == [False] * (len(pages) - 1) + [True]
    assert pages[0].older is None


def test_a_filter_searches_many_windows(broker: MemoryBroker) -> None:
    wanted = Filter.parse(QueryDict("op=d"), OPERATORS)
    pages = walk(partial(made(broker).newest, wanted=wanted, audience=OPERATORS), "older", None)
    assert [n for page in pages for n in keys(page.changes)] == [42, 35, 28, 21, 14, 7]


def test_a_search_that_finds_nothing_can_be_continued(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_pages, "_MOST_ROUNDS", 2)
    page = made(broker).newest(None, Filter(key="1"), OPERATORS)
    assert page.changes == []
    assert page.older is not None
    pages = walk(lambda at: made(broker).newest(at, Filter(key="1"), OPERATORS), "older", None)
    assert keys(pages[-1].changes) == [1]


def test_a_time_and_an_offset_are_found(broker: MemoryBroker) -> None:
    source = made(broker)
    at = source.at_time(1_764_000_000_000 + 20)
    assert keys(source.since(at, ALL, OPERATORS).changes)[::-1] == list(range(20, 30))
    page = source.newest(None, ALL, OPERATORS)
    there = page.changes[4]
    place = source.at_offset(there.partition, there.offset)
    assert there in source.since(place, ALL, OPERATORS).changes
    assert source.at_offset(99, 0) is None
    assert source.at_offset(0, 10**9) is not None


def test_one_record_is_found_or_not(broker: MemoryBroker) -> None:
    source = made(broker, p1=2)
    record = source.record(1, 2)
    assert record is not None
    assert (record.source.partition, record.offset) == (1, 2)
    assert source.record(1, 1) is None
    assert source.record(1, 10**9) is None
    assert source.record(7, 0) is None


def test_compacted_records_are_left_out(broker: MemoryBroker) -> None:
    pages = walk(lambda at: made(broker, p0=5).newest(at, ALL, OPERATORS), "older", None)
    assert len([n for page in pages for n in keys(page.changes)]) < 47


def test_a_position_of_another_topic_shows_the_end(broker: MemoryBroker) -> None:
    page = made(broker).newest(FeedPosition("00000000", (1, 1, 1)), ALL, OPERATORS)
    assert keys(page.changes)[0] == 47
    assert page.live


def test_an_outage_raises_and_the_next_read_recovers(broker: MemoryBroker) -> None:
    source = made(broker)
    broker.down = True
    with pytest.raises(Retryable):
        source.newest(None, ALL, OPERATORS)
    broker.down = False
    assert source.newest(None, ALL, OPERATORS).changes


def test_an_empty_topic_is_an_empty_page() -> None:
    page = made(MemoryBroker()).newest(None, ALL, OPERATORS)
    assert (page.changes, page.older, page.newer) == ([], None, None)
    assert page.live


@pytest.mark.parametrize(
    ("removed", "lost"),
    [([], 0), ([0], 1), ([3, 4, 5], 3), ([7], 1), ([8, 9], 2), ([10, 11], 0), ([3, 9], 2)],
)
@pytest.mark.parametrize("back", [True, False])
def test_removed_records_of_a_page_are_counted_once(
    removed: list[int], lost: int, *, back: bool
) -> None:
    """A tombstone is neither a visible change nor a lost record."""
    broker, source = MemoryBroker(partition_count=1), TopicPartition(TOPIC, 0)
    broker.logs[source] = [outgoing(change("c", n, n), TOPIC) for n in range(10)]
    broker.logs[source][2] = replace(broker.logs[source][2], value=None)
    places = {(0, offset) for offset in removed}
    pages = TopicPages(
        lambda: Compacted(broker=broker, topic=TOPIC, removed=places), RENDERER.render
    )
    start = FeedBounds.of(MemoryTail(broker=broker, topic=TOPIC).bounds()).first

    page = pages.newest(None, ALL, OPERATORS) if back else pages.since(start, ALL, OPERATORS)

    assert page.lost == lost
    assert keys(page.changes) == [n for n in range(9, -1, -1) if n not in {2, *removed}]


def test_a_filter_on_a_personal_column_finds_nothing_for_readers_who_cannot_see_it() -> None:
    broker = MemoryBroker(partition_count=1)
    broker.publish([outgoing(update(1, 1, user={"name": "x"}), TOPIC)], lambda: True)
    wanted = Filter(field="user")

    assert len(made(broker).newest(None, wanted, OPERATORS).changes) == 1
    assert made(broker).newest(None, wanted, Audience.OVERSEERS).changes == []
