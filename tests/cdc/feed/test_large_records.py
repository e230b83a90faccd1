"""A page of large records shows what was read, and says what happened."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from django.test import Client

from cdc.audience import Audience
from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.feed import topic_pages, wiring
from cdc.feed.filter import Filter
from cdc.feed.position import FeedPosition
from cdc.feed.topic_pages import TopicPage, TopicPages
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.tail import KafkaTail
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from cdc.wire import windows
from cdc.wire.records import Outgoing, Record
from tests.cdc.feed.records import RENDERER, TOPIC, update
from tests.cdc.feed.test_topic_pages import keys, walk
from tests.support.builders import outgoing
from tests.support.commands import retried
from tests.support.static_files import plain_static_files
from tests.support.topics import create_topic
from users.models import User, UserType

pytestmark = pytest.mark.slow

ALL = Filter()
OPERATORS = Audience.OPERATORS


class Counting(MemoryTail):
    """Returns few records at once, of all partitions in turn, as Kafka does with large ones."""

    read = 0
    """The bytes that were read."""
    delay = 0.0

    def poll(self, limit: int, seconds: float) -> list[Record]:
        time.sleep(type(self).delay)
        first, *others = self.offsets.items()
        self.offsets = dict([*others, first])
        records = super().poll(min(limit, 1), seconds)
        type(self).read += sum(map(windows.size_of, records))
        return records


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "read", 0)


def large(number: int, size: int, topic: str) -> Outgoing:
    return outgoing(update(number, number, description="x" * size), topic)


def limited(monkeypatch: pytest.MonkeyPatch, at_once: int, page: int) -> None:
    monkeypatch.setattr(windows, "MOST_BYTES", at_once)
    monkeypatch.setattr(topic_pages, "MOST_BYTES", at_once)
    monkeypatch.setattr(topic_pages, "_MOST_BYTES", page)


def pages_of(sizes: list[int], partitions: int) -> TopicPages:
    broker = MemoryBroker(partition_count=partitions)
    sent = [large(number, size, TOPIC) for number, size in enumerate(sizes, 1)]
    broker.publish(sent, lambda: True)
    return TopicPages(lambda: Counting(broker=broker, topic=TOPIC), RENDERER.render)


SIZES = {
    "equal": [10_000] * 200,
    "one large among small": [10] * 150 + [90_000] + [10] * 49,
    "large ones at the end": [10] * 100 + [20_000] * 100,
    "large ones at the start": [20_000] * 100 + [10] * 100,
    "each larger than a read": [60_000] * 12,
    "alternating": [10, 9_000] * 100,
}


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=list(SIZES))
def test_every_change_is_on_one_page_and_each_page_is_bounded(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], partitions: int
) -> None:
    limited(monkeypatch, at_once=50_000, page=150_000)
    source = pages_of(sizes, partitions)
    largest = 0

    def back(at: FeedPosition | None) -> TopicPage:
        nonlocal largest
        Counting.read = 0
        page = source.newest(at, ALL, OPERATORS)
        largest = max(largest, Counting.read)
        return page

    pages = [back(None)]
    while pages[-1].older:
        pages.append(back(pages[-1].older))
    assert [n for page in pages for n in keys(page.changes)] == list(range(len(sizes), 0, -1))
    assert all(page.changes for page in pages), "a page without changes would be a dead end"
    assert largest < 1_500_000, "the records together have more than that"

    start = source.at_offset(0, 0)
    assert start is not None
    start = start.moved(dict.fromkeys(range(partitions), 0))
    onward = walk(lambda at: source.since(at, ALL, OPERATORS), "newer", start)
    assert [n for p in onward for n in keys(p.changes)[::-1]] == list(range(1, len(sizes) + 1))


def test_a_cut_page_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, at_once=50_000, page=150_000)
    page = pages_of([10_000] * 200, 3).newest(None, ALL, OPERATORS)
    assert page.cut_short
    assert 0 < len(page.changes) < 100
    page = pages_of([10] * 200, 3).newest(None, ALL, OPERATORS)
    assert (page.cut_short, len(page.changes)) == (False, 100)


def test_a_filter_that_matches_no_large_record_is_bounded_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited(monkeypatch, at_once=50_000, page=150_000)
    page = pages_of([10_000] * 1_000, 1).newest(None, Filter(key="1"), OPERATORS)
    assert (page.changes, page.cut_short) == ([], True)
    assert page.older is not None
    assert Counting.read < 1_000_000


def test_a_slow_broker_is_not_called_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "SECONDS", 0.3)
    monkeypatch.setattr(Counting, "delay", 0.2)
    with pytest.raises(windows.Slow, match=r"Kafka is slow: in 0.3 s it returned only \d+ records"):
        pages_of([10_000] * 200, 1).newest(None, ALL, OPERATORS)


def test_a_silent_broker_is_not_called_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "SECONDS", 0.1)
    monkeypatch.setattr(MemoryTail, "ended", lambda _: {})
    monkeypatch.setattr(MemoryTail, "poll", lambda *_: [])
    with pytest.raises(Retryable, match="did not return the changes in time") as raised:
        pages_of([10], 1).newest(None, ALL, OPERATORS)
    assert not isinstance(raised.value, windows.Slow)


@pytest.fixture
def kafka(feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[CdcSettings]:
    """A topic whose last records are large."""
    monkeypatch.setattr(windows, "SECONDS", 600.0)
    monkeypatch.setattr(topic_pages, "_SECONDS", 600.0)
    settings = replace(feed_settings, partitions=5)
    create_topic(settings)
    publisher = KafkaPublisher(settings)
    for first in range(1, 301, 20):
        sent = [large(number, 800_000, settings.topic) for number in range(first, first + 20)]
        assert retried(partial(publisher.publish, sent, lambda: True)) == {}
    publisher.close()
    pages = TopicPages(lambda: KafkaTail(settings), RENDERER.render)
    monkeypatch.setattr(wiring, "topic_pages", lambda: pages)
    with plain_static_files():
        yield settings


@pytest.mark.services
@pytest.mark.django_db
def test_the_page_of_a_topic_of_large_records_is_shown(kafka: CdcSettings, client: Client) -> None:
    user = User.objects.create_user("w@p.example", name="W", user_type=UserType.TECHNICAL_WORKER)
    client.force_login(user)
    shown: list[str] = []
    query = ""
    for _ in range(2):
        answer = client.get(f"/feed/{query}")
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "not responding" not in text
        assert "These changes are large" in text
        feed = answer.context["feed"]
        shown += [row["key"] for row in feed.rows]
        query = f"?{feed.older}"
    assert shown == [str(number) for number in range(300, 300 - len(shown), -1)]
    assert len(shown) > 20
