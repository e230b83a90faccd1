"""Transactions of other programs on the topic; the relay itself uses none."""

from contextlib import closing

import pytest
from confluent_kafka import Producer

from cdc.conf import CdcSettings
from cdc.kafka.last_published import LastPublished
from cdc.kafka.source import KafkaSource
from cdc.kafka.tail import KafkaTail
from cdc.kafka.watermarks import Watermarks
from cdc.wire.records import Record, TopicPartition
from tests.support.builders import change, outgoing
from tests.support.commands import retried, wait_until
from tests.support.topics import create_topic

pytestmark = pytest.mark.services


@pytest.fixture
def source(feed_settings: CdcSettings) -> TopicPartition:
    create_topic(feed_settings)
    return TopicPartition(feed_settings.topic, 0)


@pytest.fixture
def foreign(feed_settings: CdcSettings, source: TopicPartition) -> Producer:
    """Return another program's producer, which has written a record in an open transaction."""
    config = {
        "bootstrap.servers": feed_settings.bootstrap_servers,
        "transactional.id": f"{feed_settings.topic}-foreign",
        # Kafka would abort the transaction of a test that takes longer than the default minute.
        "transaction.timeout.ms": 600_000,
    }
    producer = Producer(config)
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(source.topic, b"x", b"foreign", partition=source.partition)
    assert producer.flush(60) == 0
    return producer


def publish(settings: CdcSettings, source: TopicPartition) -> None:
    """Publish a change without a transaction, as the relay does."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    record = outgoing(change("c", 1, 1), source.topic)
    producer.produce(
        source.topic,
        record.value,
        record.key,
        partition=source.partition,
        headers=list(record.headers),
    )
    assert producer.flush(60) == 0


def read(settings: CdcSettings, at: TopicPartition, end: int) -> list[Record]:
    """Return the records of a partition, read until its source has reached `end`."""
    found: list[Record] = []
    ends: dict[TopicPartition, int] = {}
    with closing(KafkaSource(settings, [at.topic], "only")) as source:

        def polled() -> bool:
            found.extend(source.poll(100, 0.2))
            for waiting in source.waiting():
                source.start(waiting, None)
            ends.update(source.ends())
            return ends.get(at) == end

        wait_until(polled, f"the end {end} of {at}")
    return found


def test_records_after_an_open_transaction_are_read(
    long_session: CdcSettings, source: TopicPartition, foreign: Producer
) -> None:
    """With the library's default, the consumer would stop here and the lag would be 0."""
    publish(long_session, source)

    assert [each.offset for each in read(long_session, source, 2)] == [0, 1]
    with closing(Watermarks(long_session)) as watermarks:
        assert retried(lambda: watermarks.of(source)) == (0, 2)
        assert retried(lambda: watermarks.timestamp_ms(source, 1)) is not None
    with closing(KafkaTail(long_session)) as tail:
        assert retried(tail.bounds).end[0] == 2
    with closing(LastPublished(long_session, [source.topic])) as last:
        assert len(retried(lambda: last(lambda: True))) == 1
    foreign.abort_transaction(60)


@pytest.mark.parametrize("ending", ["commit_transaction", "abort_transaction"])
def test_the_end_of_a_partition_may_be_a_marker(
    long_session: CdcSettings, source: TopicPartition, foreign: Producer, ending: str
) -> None:
    getattr(foreign, ending)(60)
    with closing(Watermarks(long_session)) as watermarks:
        wait_until(lambda: retried(lambda: watermarks.of(source)) == (0, 2), "the marker")

    assert [each.offset for each in read(long_session, source, 2)] == [0]
