"""What `LastPublished` must return, for Kafka and its in-memory twin."""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.last_published import LastPublished
from cdc.kafka.publisher import KafkaPublisher
from cdc.outbox.continuity import Witness
from cdc.outbox.relay import Publisher
from cdc.testing.tail import MemoryLastPublished
from cdc.testing.twins import MemoryBroker
from cdc.wire.event import Version
from cdc.wire.published import LAST_RECORDS, Published
from cdc.wire.records import Outgoing
from tests.support.builders import change, outgoing
from tests.support.feed_settings import without_servers
from tests.support.topics import create_topic

PARTITIONS = 5
SECONDS = 60.0


@dataclass
class Topic:
    name: str
    publisher: Publisher
    witness: Witness

    def send(self, *records: Outgoing) -> None:
        assert self.publisher.publish(records, lambda: True) == {}

    def last(self) -> list[Published]:
        return sorted(self.witness(lambda: True), key=lambda found: found.version)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def topic(request: pytest.FixtureRequest) -> Iterator[Topic]:
    if request.param == "memory":
        broker = MemoryBroker(partition_count=PARTITIONS)
        yield Topic("story-events", broker, MemoryLastPublished(broker))
        return
    yield from kafka_topic(request.getfixturevalue("feed_settings"))


def kafka_topic(settings: CdcSettings) -> Iterator[Topic]:
    create_topic(settings)
    publisher = KafkaPublisher(settings)
    witness = LastPublished(settings, [settings.topic, f"{settings.topic}-missing"])
    yield Topic(settings.topic, publisher, witness)
    publisher.close()
    witness.close()


def test_an_empty_topic_shows_nothing(topic: Topic) -> None:
    assert topic.last() == []
    assert topic.last() == []


def test_each_change_has_its_version_key_and_time(topic: Topic) -> None:
    events = [change("c", key, 10 + key) for key in range(1, 8)]
    topic.send(*(outgoing(event, topic.name) for event in events))

    assert topic.last() == [
        Published(
            version=event.version,
            key=f'{{"id":{event.key}}}',
            ts_ms=event.ts_ms,
            topic=topic.name,
        )
        for event in events
    ]


def test_it_reads_the_end_of_each_partition_and_reads_on(topic: Topic) -> None:
    many = [outgoing(change("u", key % 50, key), topic.name) for key in range(1, 1001)]
    topic.send(*many)

    first = topic.last()
    topic.send(outgoing(change("d", 3, 1001), topic.name))
    second = topic.last()

    assert first[-1].version == Version(1, 1000)
    assert len(first) == LAST_RECORDS * PARTITIONS
    assert second[-1].version == Version(1, 1001)


def test_a_tombstone_shows_its_version(topic: Topic) -> None:
    record = outgoing(change("d", 3, 9), topic.name)
    tombstone = Outgoing(
        topic=record.topic,
        key=record.key,
        value=None,
        headers=record.headers,
        timestamp_ms=record.timestamp_ms,
    )
    topic.send(tombstone)

    assert topic.last() == [Published(version=Version(1, 9), key='{"id":3}', topic=topic.name)]


def test_records_of_other_producers_are_passed_over(topic: Topic) -> None:
    topic.send(
        Outgoing(topic=topic.name, key=b"\xff", value=b"{", headers=(), timestamp_ms=1),
        outgoing(change("c", 1, 1), topic.name),
    )

    assert [found.version for found in topic.last()] == [Version(1, 1)]


def test_the_caller_is_asked_while_kafka_describes_no_topic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise, the lease of the relay would end, and the status would say that no relay runs."""
    witness = LastPublished(without_servers(bootstrap_servers="127.0.0.1:1"), ["story-events"])
    silent: Future[None] = Future()
    monkeypatch.setattr(witness._topics, "_describe", lambda _topic: silent)
    monkeypatch.setattr(witness._topics._errors, "_ends", lambda waited: waited > SECONDS)
    answers = iter([True, True, False])

    with pytest.raises(Retryable, match="was cancelled"):
        witness(lambda: next(answers))

    assert next(answers, None) is None
    witness.close()


def test_it_stops_when_the_caller_stops_waiting(topic: Topic) -> None:
    topic.send(outgoing(change("c", 1, 1), topic.name))

    with pytest.raises(Retryable):
        topic.witness(lambda: False)
    assert len(topic.last()) == 1
