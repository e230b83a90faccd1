"""The first and last offsets of a partition, on a real broker."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.watermarks import Watermarks, offsets_at
from cdc.wire.records import TopicPartition
from tests.support.commands import retried
from tests.support.stale_client import StaleClient
from tests.support.topics import create_topic

pytestmark = pytest.mark.services
FIRST_MS = 1_764_000_000_000


@pytest.fixture
def source(feed_settings: CdcSettings) -> TopicPartition:
    """Return a partition with three records, whose times are a second apart."""
    create_topic(feed_settings)
    producer = Producer({"bootstrap.servers": feed_settings.bootstrap_servers})
    for number in range(3):
        producer.produce(
            feed_settings.topic, b"x", b"1", partition=2, timestamp=FIRST_MS + number * 1000
        )
    assert producer.flush(60) == 0
    return TopicPartition(feed_settings.topic, 2)


@pytest.fixture
def watermarks(feed_settings: CdcSettings) -> Iterator[Watermarks]:
    with closing(Watermarks(feed_settings)) as watermarks:
        yield watermarks


def test_first_and_next_offset(watermarks: Watermarks, source: TopicPartition) -> None:
    empty = TopicPartition(source.topic, 0)
    assert retried(lambda: watermarks.of(source)) == (0, 3)
    assert retried(lambda: watermarks.of(empty)) == (0, 0)


@pytest.mark.parametrize(
    ("request_of", "expected"),
    [
        (lambda marks, source: marks.of(source), (0, 3)),
        (lambda marks, source: marks.since(source, FIRST_MS + 1), 1),
        (lambda marks, source: marks.committed([source]), {}),
    ],
)
@pytest.mark.parametrize(
    ("error", "failures", "left"),
    [
        (KafkaError.NOT_LEADER_FOR_PARTITION, 8, 0),
        (KafkaError.OFFSET_NOT_AVAILABLE, 4, 0),
        (KafkaError.NOT_COORDINATOR, 4, 0),
        (KafkaError.NOT_LEADER_FOR_PARTITION, 10, 1),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, 2, 1),
    ],
)
def test_a_request_is_repeated_while_the_leader_is_new(
    watermarks: Watermarks,
    source: TopicPartition,
    monkeypatch: pytest.MonkeyPatch,
    request_of: Callable[[Watermarks, TopicPartition], Any],
    expected: object,
    error: int,
    failures: int,
    left: int,
) -> None:
    client = StaleClient(watermarks._consumer(), error, failures)
    monkeypatch.setattr(watermarks._consumer, "_client", client)
    if left:
        with pytest.raises(Retryable):
            request_of(watermarks, source)
    else:
        assert request_of(watermarks, source) == expected
    assert client.left == left


def test_an_offset_that_is_unknown_for_one_partition_is_an_error(
    source: TopicPartition, feed_settings: CdcSettings
) -> None:
    """The library returns the time of such a partition as its offset."""
    address = {"bootstrap.servers": feed_settings.bootstrap_servers, "group.id": "any"}
    asked = [KafkaPartition(source.topic, number, FIRST_MS) for number in (source.partition, 99)]
    with closing(Consumer(address)) as client:
        (found,) = offsets_at(client, asked[:1], 60.0)
        assert found.offset == 0
        with pytest.raises(KafkaException, match="Unknown partition"):
            offsets_at(client, asked, 60.0)


def test_an_offset_by_time_is_the_first_at_or_after_it(
    watermarks: Watermarks, source: TopicPartition
) -> None:
    assert retried(lambda: watermarks.since(source, FIRST_MS + 1)) == 1
    assert retried(lambda: watermarks.since(source, FIRST_MS + 2000)) == 2
    assert retried(lambda: watermarks.since(source, FIRST_MS + 2001)) == 3


def test_the_time_of_a_record(watermarks: Watermarks, source: TopicPartition) -> None:
    assert watermarks.timestamp_ms(source, 1) == FIRST_MS + 1000


def test_there_is_no_time_after_the_last_record(
    watermarks: Watermarks, source: TopicPartition
) -> None:
    assert watermarks.timestamp_ms(source, 3) is None


@pytest.mark.parametrize("offset", [4, 2**40])
def test_a_record_that_kafka_does_not_return_has_no_time(
    watermarks: Watermarks, source: TopicPartition, offset: int
) -> None:
    """Otherwise, a record that cannot be read would look like a new one."""
    with pytest.raises(Retryable, match="Kafka could not return a record of 'test"):
        watermarks.timestamp_ms(source, offset)


class Silent:
    """A real client to which Kafka returns no records."""

    def __init__(self, client: Consumer) -> None:
        self._client = client

    def poll(self, _seconds: float) -> None:
        """Return nothing, as after a timeout."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_record_that_does_not_arrive_in_time_has_no_time(
    watermarks: Watermarks, source: TopicPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Silent(watermarks._consumer())
    monkeypatch.setattr(watermarks._consumer, "_client", client)
    with pytest.raises(Retryable, match="Kafka could not return a record of 'test"):
        watermarks.timestamp_ms(source, 0)


def test_committed_offsets_are_the_groups_own(
    watermarks: Watermarks, source: TopicPartition, feed_settings: CdcSettings
) -> None:
    assert retried(lambda: watermarks.committed([source])) == {}
    consumer = Consumer(
        {"bootstrap.servers": feed_settings.bootstrap_servers, "group.id": feed_settings.group}
    )
    position = KafkaPartition(source.topic, source.partition, 2)
    consumer.commit(offsets=[position], asynchronous=False)
    consumer.close()

    assert retried(lambda: watermarks.committed([source])) == {source: 2}
