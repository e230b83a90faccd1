"""Kafka topics with records, for tests of code that reads and moves offsets."""

from collections.abc import Mapping
from functools import partial

from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cdc.conf import CdcSettings
from cdc.kafka.watermarks import Watermarks
from cdc.wire.records import TopicPartition
from tests.support.commands import retried, wait_until

FIRST_MS = 1_764_000_000_000
"""The time of the first record of each partition; the others follow a second apart."""


def fill(
    settings: CdcSettings,
    topic: str,
    records: Mapping[int, int],
    *,
    first: Mapping[int, int] | None = None,
) -> None:
    """Write `records` (partition: count) to a new topic; delete the records before `first`."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    # Records of a compacted topic, such as the feed's, cannot be deleted by offset.
    kept = {"cleanup.policy": "delete", "retention.ms": "-1"}
    new = NewTopic(topic, len(records), config=kept)
    admin.create_topics([new])[topic].result(60)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for number, count in records.items():
        for at in range(count):
            moment = FIRST_MS + at * 1000
            producer.produce(topic, b"x", b"1", partition=number, timestamp=moment)
    assert producer.flush(60) == 0
    for number, offset in (first or {}).items():
        (deleted,) = admin.delete_records([KafkaPartition(topic, number, offset)]).values()
        deleted.result(60)
    marks = Watermarks(settings)
    for number, count in records.items():
        source = TopicPartition(topic, number)
        expected = ((first or {}).get(number, 0), count)
        wait_until(partial(_shows, marks, source, expected), f"{topic} to hold its records")
    marks.close()


def _shows(marks: Watermarks, source: TopicPartition, expected: tuple[int, int]) -> bool:
    return retried(lambda: marks.of(source)) == expected
