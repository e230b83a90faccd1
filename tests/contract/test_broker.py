"""What relay and consumer require of a broker, for Kafka and its in-memory twin."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from cdc.conf import CdcSettings
from cdc.consumer.interfaces import Source
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from cdc.outbox.relay import Publisher
from cdc.testing.twins import MemoryBroker
from cdc.wire.records import Outgoing, Record, TopicPartition
from tests.support.commands import retried
from tests.support.feed_settings import LONG_SESSION
from tests.support.topics import create_topic

SECONDS = 90.0


class Broker(Protocol):
    topic: str

    def publisher(self) -> Publisher: ...

    def source(self, name: str) -> Source: ...

    def topic_id(self) -> str: ...

    def recreated(self, known: Mapping[str, str]) -> bool: ...

    def partitions(self, topic: str) -> tuple[int, ...]: ...


class Memory:
    topic = "story-events"

    def __init__(self) -> None:
        self.broker = MemoryBroker(largest=1_000_000)

    def publisher(self) -> Publisher:
        return self.broker

    def source(self, name: str) -> Source:
        return self.broker.source(self.topic)

    def topic_id(self) -> str:
        return self.broker.topic_id(self.topic)

    def recreated(self, known: Mapping[str, str]) -> bool:
        return self.broker.recreated(known)

    def partitions(self, topic: str) -> tuple[int, ...]:
        return self.broker.partitions(topic)


class Kafka:
    def __init__(self, settings: CdcSettings) -> None:
        self.settings, self.topic = settings, settings.topic
        self.topics = Topics(settings)
        create_topic(settings)
        self.closing: list[KafkaPublisher | KafkaSource] = []

    def publisher(self) -> Publisher:
        publisher = KafkaPublisher(self.settings)
        self.closing.append(publisher)
        return publisher

    def source(self, name: str) -> Source:
        settings = replace(self.settings, kafka_config=LONG_SESSION)
        source = KafkaSource(settings, [self.topic], name)
        self.closing.append(source)
        return source

    def topic_id(self) -> str:
        return retried(lambda: self.topics.topic_id(self.topic))

    def recreated(self, known: Mapping[str, str]) -> bool:
        return retried(lambda: self.topics.recreated(known))

    def partitions(self, topic: str) -> tuple[int, ...]:
        return retried(lambda: self.topics.partitions(topic))


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "memory":
        yield Memory()
        return
    kafka = Kafka(request.getfixturevalue("feed_settings"))
    yield kafka
    for part in kafka.closing:
        part.close()


@dataclass
class Reader:
    """Reads a given number of records from a source."""

    source: Source

    def until(self, count: int) -> list[Record]:
        records: list[Record] = []
        deadline = time.monotonic() + SECONDS
        while len(records) < count and time.monotonic() < deadline:
            records += self.source.poll(100, 0.2)
            for waiting in self.source.waiting():
                self.source.start(waiting, None)
        return records


def record(broker: Broker, key: int, value: bytes | None = b"{}") -> Outgoing:
    return Outgoing(
        topic=broker.topic,
        key=b'{"id":%d}' % key,
        value=value,
        headers=(("outbox_id", b"1"),),
        timestamp_ms=1_764_000_000_000,
    )


def wait() -> bool:
    return True


def test_a_record_is_read_with_its_key_and_value(broker: Broker) -> None:
    assert broker.publisher().publish([record(broker, 17, b"body")], wait) == {}

    (read,) = Reader(broker.source("a")).until(1)

    assert (read.key, read.value, read.offset) == (b'{"id":17}', b"body", 0)


def test_one_key_stays_in_one_partition_and_in_order(broker: Broker) -> None:
    values = [b"%d" % number for number in range(50)]
    broker.publisher().publish([record(broker, 17, value) for value in values], wait)

    records = Reader(broker.source("a")).until(50)

    assert [item.value for item in records] == values
    assert len({item.source for item in records}) == 1
    assert [item.offset for item in records] == list(range(50))


def test_a_tombstone_has_no_value(broker: Broker) -> None:
    broker.publisher().publish([record(broker, 1), record(broker, 1, None)], wait)

    records = Reader(broker.source("a")).until(2)

    assert [item.value for item in records] == [b"{}", None]
    assert {item.headers for item in records} == {(("outbox_id", b"1"),)}
    assert {item.timestamp_ms for item in records} == {1_764_000_000_000}
    assert {type(item.leader_epoch) for item in records} == {int}


def test_rejected_records_are_reported_by_index_and_the_rest_is_written(broker: Broker) -> None:
    large = record(broker, 2, b"x" * 2_000_000)

    rejected = broker.publisher().publish([record(broker, 1), large, record(broker, 3)], wait)

    assert list(rejected) == [1]
    keys = {item.key for item in Reader(broker.source("a")).until(2)}
    assert keys == {b'{"id":1}', b'{"id":3}'}


@pytest.mark.parametrize("topic", ["", ".", "no topic!", "x" * 250, "a\0b"])
def test_an_invalid_topic_name_is_rejected(broker: Broker, topic: str) -> None:
    invalid, good = replace(record(broker, 1), topic=topic), record(broker, 1)
    assert list(broker.publisher().publish([invalid, good], wait)) == [0]


def test_a_record_with_a_future_timestamp_is_accepted(broker: Broker) -> None:
    ahead = replace(record(broker, 1), timestamp_ms=round(time.time() * 1000) + 86_400_000)
    assert broker.publisher().publish([ahead], wait) == {}
    assert len(Reader(broker.source("a")).until(1)) == 1


def test_a_missing_topic_is_created(broker: Broker) -> None:
    missing = f"{broker.topic}-missing"
    publisher, sent = broker.publisher(), replace(record(broker, 1), topic=missing)
    # The relay also sends the record again.
    assert retried(lambda: publisher.publish([sent], wait)) == {}
    assert broker.partitions(missing) == tuple(range(5))


def test_a_partition_is_read_from_the_offset_that_it_is_started_at(broker: Broker) -> None:
    broker.publisher().publish([record(broker, 17, b"%d" % n) for n in range(5)], wait)
    source = broker.source("a")
    first = Reader(source).until(5)
    partition = first[0].source

    source.release()
    assert partition in source.waiting()
    source.start(partition, 3)

    again: list[Record] = []
    deadline = time.monotonic() + SECONDS
    while len(again) < 2 and time.monotonic() < deadline:
        again += source.poll(100, 0.2)
    assert [item.offset for item in again] == [3, 4]


def test_a_partition_is_not_read_before_it_is_started(broker: Broker) -> None:
    broker.publisher().publish([record(broker, 17)], wait)
    source = broker.source("a")

    deadline = time.monotonic() + SECONDS
    while not source.waiting() and time.monotonic() < deadline:
        assert source.poll(100, 0.2) == []

    assert len(source.waiting()) == 5
    assert source.poll(100, 0.5) == []


def test_a_topic_has_an_id(broker: Broker) -> None:
    assert broker.topic_id() == broker.topic_id()


def test_another_topic_id_is_detected(broker: Broker) -> None:
    deadline = time.monotonic() + SECONDS
    while not broker.recreated({broker.topic: "another"}):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_same_topic_id_is_not_a_change(broker: Broker) -> None:
    known = {broker.topic: broker.topic_id()}
    for _ in range(10):
        assert not broker.recreated(known)
        time.sleep(0.05)  # Kafka needs time to respond.


def test_all_partitions_are_assigned(broker: Broker) -> None:
    source = broker.source("a")
    Reader(source).until(0)
    deadline = time.monotonic() + SECONDS
    while len(source.waiting()) < 5 and time.monotonic() < deadline:
        source.poll(100, 0.2)

    assert source.waiting() == {TopicPartition(broker.topic, number) for number in range(5)}
