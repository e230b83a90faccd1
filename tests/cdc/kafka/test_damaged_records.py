"""A record that a disk has damaged is not applied, and its partition is not read past it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.source import KafkaSource
from cdc.kafka.tail import KafkaTail
from tests.support.commands import wait_until
from tests.support.kafka import OwnKafka, running
from tests.support.topics import create_topic

if TYPE_CHECKING:
    from cdc.wire.records import Record, TopicPartition

pytestmark = pytest.mark.services
TITLE, DAMAGED_TITLE = b"a title of a story", b"a tjtle of a story"


@pytest.fixture
def damaged(long_session: CdcSettings, tmp_path: Path) -> Iterator[CdcSettings]:
    """Yield the settings of a broker whose partition 0 has a damaged record at offset 1."""
    with running(OwnKafka(tmp_path / "kafka")) as broker:
        settings = replace(long_session, bootstrap_servers=broker.address)
        create_topic(settings)
        producer = Producer({"bootstrap.servers": broker.address})
        for partition, value in ((0, b"first"), (0, TITLE), (0, b"last"), (1, b"other")):
            producer.produce(settings.topic, value, b"x", partition=partition)
            assert producer.flush(60) == 0  # One batch for each record.
        (segment,) = tmp_path.glob(f"**/{settings.topic}-0/*.log")
        content = segment.read_bytes()
        with segment.open("r+b") as file:
            file.seek(content.index(TITLE))
            file.write(DAMAGED_TITLE)
        yield settings


def test_a_damaged_record_stops_its_partition_only(damaged: CdcSettings) -> None:
    """With the library's default, the record would be applied with other content."""
    found: dict[TopicPartition, list[Record]] = {}
    errors: list[str] = []
    with closing(KafkaSource(damaged, [damaged.topic], "only")) as source:

        def polled() -> bool:
            try:
                records = source.poll(100, 0.2)
            except Retryable as error:
                errors.append(str(error))
                return len(errors) == 3
            for record in records:
                found.setdefault(record.source, []).append(record)
            for waiting in source.waiting():
                source.start(waiting, len(found.get(waiting, ())))
            return False

        wait_until(polled, "three attempts to read the damaged record")

    values = {place.partition: [each.value for each in of] for place, of in found.items()}
    assert values == {0: [b"first"], 1: [b"other"]}
    assert f"A batch of {damaged.topic} 0 at offset 1 cannot be read" in errors[0]
    assert f"`manage.py rewind --topic {damaged.topic} --partition 0 --to-offset N`" in errors[0]


def test_the_feed_does_not_show_a_damaged_record(damaged: CdcSettings) -> None:
    with closing(KafkaTail(damaged)) as tail:
        tail.start({0: 1})
        with pytest.raises(Retryable):
            wait_until(lambda: bool(tail.poll(10, 0.2)), "the damaged record")
