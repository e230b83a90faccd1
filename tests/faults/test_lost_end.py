"""A partition loses its newest records and then grows past the consumer's position."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from cdc.conf import CdcSettings
from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.errors import Fatal, Retryable
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.testing.twins import FakeClock, MemoryReplica, MemoryRows, MemoryStore
from cdc.wire.records import TopicPartition
from project.stack.kafka.broker import Kafka
from project.stack.ports import free_port
from tests.cdc.consumer.test_consumer import Letters, Tally
from tests.support.builders import ROUTES, change, outgoing
from tests.support.commands import retried, wait_until
from tests.support.feed_settings import without_servers

pytestmark = [pytest.mark.services, pytest.mark.faults]
TOPIC = "story-events"


class Broker:
    """A broker for one test, which can lose its last records as in a power cut."""

    def __init__(self, folder: Path) -> None:
        self._kafka = Kafka(folder, port := free_port(), free_port([port]))
        self._folder = folder
        self._kafka.install()
        self.start()
        self.settings = without_servers(
            bootstrap_servers=self._kafka.bootstrap_servers, topic=TOPIC, group="lost-end"
        )
        retried(lambda: Topics(self.settings).ensure(TOPIC, 1))

    @property
    def log(self) -> Path:
        return self._folder / "data" / f"{TOPIC}-0" / f"{0:020}.log"

    def start(self) -> None:
        self._kafka.launch()
        self._kafka.wait_ready()

    def lose_all_after(self, size: int) -> None:
        """Kill the broker and truncate the log, as if its end had not been written to disk."""
        self._kafka.kill()
        os.truncate(self.log, size)
        self.start()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self._kafka.stop()

    def publish(self, *outbox_ids: int) -> None:
        publisher = KafkaPublisher(self.settings)
        records = [outgoing(change("u", 1, number), TOPIC) for number in outbox_ids]
        deadline = time.monotonic() + 120
        attempt = partial(publisher.publish, records, lambda: time.monotonic() < deadline)
        assert retried(attempt) == {}
        publisher.close()


class Reader:
    """The consumer with a real broker and an in-memory replica."""

    def __init__(self, settings: CdcSettings) -> None:
        self.settings, self.store = settings, MemoryStore()
        self.start()

    def start(self) -> None:
        self.source = KafkaSource(self.settings, [TOPIC], "one")
        clock = FakeClock()
        self._consumer = ReplicaConsumer(
            source=self.source,
            topics=Topics(self.settings),
            replica=MemoryReplica(self.store, ROUTES, "a"),
            dead_letters=Letters(),
            routes=ROUTES,
            source_epoch=lambda: 1,
            old_events=OldEvents(MemoryRows(), clock, 7),
            counters=Tally(),
            clock=clock,
        )

    def until(self, outbox_id: int) -> None:
        """Run the consumer until it has applied a change. Restart it after a Fatal error."""

        def applied() -> bool:
            try:
                self._consumer.run_once()
            except Retryable:
                return False
            except Fatal:  # After its restart, Kafka may have forgotten the group's member.
                self.source.close()
                self.start()
            return (1, outbox_id) in self.store.history

        wait_until(applied, f"change {outbox_id}", 120)

    def close(self) -> None:
        self.source.close()


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    # Not in tmp_path, because the report of a failed test would show Kafka's binary logs.
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()


@pytest.fixture
def reader(broker: Broker) -> Iterator[Reader]:
    reader = Reader(broker.settings)
    yield reader
    reader.close()


@pytest.mark.parametrize("running", [True, False])
def test_no_change_is_skipped_when_kafka_lost_its_end(
    broker: Broker, reader: Reader, *, running: bool
) -> None:
    broker.publish(*range(1, 6))
    size = broker.log.stat().st_size
    broker.publish(*range(6, 11))
    reader.until(10)
    if not running:
        reader.close()
    broker.lose_all_after(size)
    broker.publish(*range(11, 23))  # Offset 10 is now in the middle of these records.
    if not running:
        reader.start()

    reader.until(22)

    assert {outbox_id for _, outbox_id in reader.store.history} == set(range(1, 23))
    assert [lost_from for lost_from, _ in reader.store.gaps.values()] == [10]


def test_a_lost_end_is_recognised_without_a_consumer(broker: Broker, reader: Reader) -> None:
    """A rewind stores a gap before it moves such a position."""
    source = TopicPartition(TOPIC, 0)
    broker.publish(*range(1, 6))
    size = broker.log.stat().st_size
    broker.publish(*range(6, 11))
    reader.until(10)
    epoch = reader.store.leader_epochs[source]
    with closing(Watermarks(broker.settings)) as marks:
        kept = [retried(partial(marks.lost, source, at, epoch)) for at in (5, 10)]
    broker.lose_all_after(size)

    with closing(Watermarks(broker.settings)) as marks:
        short = retried(lambda: marks.lost(source, 10, epoch))
        broker.publish(*range(11, 23))  # Offset 10 is now in the middle of these records.
        after = [retried(partial(marks.lost, source, at, epoch)) for at in (5, 10)]
        unknown = retried(lambda: marks.lost(source, 10, None))

    assert kept == [False, False]
    assert short
    assert after == [False, True]
    assert not unknown


def test_a_restart_of_kafka_is_no_gap(broker: Broker, reader: Reader) -> None:
    broker.publish(*range(1, 6))
    reader.until(5)
    for outbox_id in (6, 7):
        broker.restart()
        broker.publish(outbox_id)
        reader.until(outbox_id)

    assert reader.store.gaps == {}
