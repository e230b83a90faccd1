"""What the live feed requires of a tail, for Kafka and its in-memory twin."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.tail import KafkaTail
from cdc.outbox.relay import Publisher
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from cdc.wire.moments import milliseconds
from cdc.wire.records import Outgoing, Record
from cdc.wire.topic import Tail
from tests.support.topics import create_topic

SECONDS = 90.0
TIME = 1_764_000_000_000


@dataclass
class Parts:
    tail: Tail
    publisher: Publisher
    topic: str

    def publish(self, *values: bytes | None) -> None:
        """Publish values with the same key to one partition. Their times are a second apart."""
        records = [
            Outgoing(
                topic=self.topic,
                key=b'{"id":17}',
                value=value,
                headers=(),
                timestamp_ms=TIME + number * 1_000,
            )
            for number, value in enumerate(values)
        ]
        assert self.publisher.publish(records, lambda: True) == {}

    def read(self, count: int) -> list[Record]:
        records: list[Record] = []
        deadline = time.monotonic() + SECONDS
        while len(records) < count and time.monotonic() < deadline:
            records += self.tail.poll(100, 0.2)
        return records


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def parts(request: pytest.FixtureRequest) -> Iterator[Parts]:
    if request.param == "memory":
        broker = MemoryBroker()
        yield Parts(MemoryTail(broker=broker, topic="a"), broker, "a")
        return
    settings: CdcSettings = request.getfixturevalue("feed_settings")
    create_topic(settings)
    tail, publisher = KafkaTail(settings), KafkaPublisher(settings)
    yield Parts(tail, publisher, settings.topic)
    tail.close()
    publisher.close()


def test_it_reads_from_an_offset_and_reports_the_end(parts: Parts) -> None:
    empty = parts.tail.bounds()
    assert empty.first == empty.end
    assert empty.shape == parts.tail.shape()
    parts.publish(b"a", None, b"c", b"d")
    bounds = parts.tail.bounds()
    (number,) = [at for at, end in enumerate(bounds.end) if end]
    assert bounds.end[number] == 4
    assert bounds.first == empty.first

    parts.tail.start({number: 1})
    records = parts.read(3)
    assert [(item.offset, item.value) for item in records] == [(1, None), (2, b"c"), (3, b"d")]
    deadline = time.monotonic() + SECONDS
    while parts.tail.ended() != {number: 4} and time.monotonic() < deadline:
        assert parts.tail.poll(100, 0.2) == []
    assert parts.tail.ended() == {number: 4}

    parts.publish(b"e")
    assert [item.value for item in parts.read(1)] == [b"e"]
    parts.tail.start({number: 2})
    assert [item.value for item in parts.read(3)] == [b"c", b"d", b"e"]


def test_it_finds_the_first_offset_at_a_time(parts: Parts) -> None:
    parts.publish(b"a", b"b", b"c")
    end = parts.tail.bounds().end
    number = end.index(3)
    assert parts.tail.since(TIME + 1_000)[number] == 1
    assert parts.tail.since(TIME + 1)[number] == 1
    assert parts.tail.since(TIME + 60_000) == dict(enumerate(end))


@pytest.mark.services
def test_a_missing_topic_is_retryable(feed_settings: CdcSettings) -> None:
    tail = KafkaTail(feed_settings)
    with pytest.raises(Retryable, match="Kafka is not responding"):
        tail.bounds()
    tail.close()


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_it_looks_up_the_first_and_the_last_time(parts: Parts, moment: str) -> None:
    parts.publish(b"a", b"b")
    bounds = parts.tail.bounds()
    since = milliseconds(datetime.fromisoformat(moment))
    assert since is not None
    expected = bounds.end if since > TIME else bounds.first
    assert parts.tail.since(since) == dict(enumerate(expected))
