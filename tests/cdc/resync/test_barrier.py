"""A barrier that is not reached names the part of the pipeline that makes no progress."""

from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import Producer
from django.db import connections

from cdc.conf import CdcSettings
from cdc.consumer.pause import pause, resume
from cdc.errors import Retryable, Unreachable
from cdc.kafka.topics import Topics
from cdc.models import OutboxRecord
from cdc.mongo.client import database, position_id
from cdc.resync.barrier import Barrier
from cdc.testing.twins import FakeClock
from cdc.wire.records import TopicPartition
from stories.models import Story
from tests.cdc.resync.filled_topic import fill
from tests.support.commands import retried
from tests.support.feed_settings import without_servers
from tests.support.mongodb import connected
from tests.support.topics import create_topic

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
UNREACHABLE = without_servers(bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/")


class DrainingClock(FakeClock):
    """A clock that deletes an outbox row at each sleep, like a slow relay."""

    def sleep(self, seconds: float) -> None:
        super().sleep(10.0)
        OutboxRecord.objects.order_by("id")[:1].get().delete()
        if not OutboxRecord.objects.exists():
            raise InterruptedError


def test_an_outbox_that_does_not_drain_is_an_error() -> None:
    Story.objects.create(title="a", href="http://a.example/")
    clock = FakeClock()
    began = clock.now
    barrier = Barrier(UNREACHABLE, ["story-events"], clock, using="default", patience=30.0)
    message = r"Changes queued: 1\. The outbox is not draining: .* `manage.py relay_outbox`"
    with pytest.raises(Retryable, match=message):
        barrier.wait()
    assert 30.0 < clock.now - began < 31.0


def test_an_outbox_that_drains_slowly_is_waited_for() -> None:
    for number in range(8):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    clock = DrainingClock()
    barrier = Barrier(UNREACHABLE, ["story-events"], clock, using="default", patience=30.0)
    with pytest.raises(InterruptedError):
        barrier.wait()


@pytest.mark.services
def test_a_position_past_the_end_of_kafka_is_not_caught_up(feed_settings: CdcSettings) -> None:
    create_topic(feed_settings)
    client = connected(feed_settings)
    positions = database(client, feed_settings)[feed_settings.positions_collection]
    source = TopicPartition(feed_settings.topic, 0)
    identity = position_id(feed_settings.group, source)
    positions.insert_one({"_id": identity, "next_offset": 5})
    barrier = Barrier(feed_settings, [feed_settings.topic], FakeClock(), using="default")

    with pytest.raises(Retryable, match=r"Changes queued: 1\. The consumer is not catching up"):
        barrier.wait()

    positions.update_one({"_id": identity}, {"$set": {"next_offset": 0}})
    barrier.wait()
    client.drop_database(feed_settings.mongodb_database)


@pytest.mark.services
def test_a_topic_need_not_exist_before_its_first_event(feed_settings: CdcSettings) -> None:
    Barrier(feed_settings, [feed_settings.topic], FakeClock(), using="default").wait()


@pytest.mark.services
@pytest.mark.parametrize(("records", "waiting"), [(5, 5), (0, 1)])
def test_the_consumer_must_notice_that_the_topic_was_created_again(
    feed_settings: CdcSettings, records: int, waiting: int
) -> None:
    """A position in the old topic may be equal to the end of the new topic."""
    fill(feed_settings, feed_settings.topic, {0: records})
    client = connected(feed_settings)
    positions = database(client, feed_settings)[feed_settings.positions_collection]
    identity = position_id(feed_settings.group, TopicPartition(feed_settings.topic, 0))
    positions.insert_one({"_id": identity, "topic_id": "old", "next_offset": records})
    barrier = Barrier(feed_settings, [feed_settings.topic], FakeClock(), using="default")

    with pytest.raises(Retryable, match=rf"Changes queued: {waiting}\. The consumer is not"):
        barrier.wait()

    topics = Topics(feed_settings)
    topic_id = retried(lambda: topics.topic_id(feed_settings.topic))
    positions.update_one({"_id": identity}, {"$set": {"topic_id": topic_id}})
    barrier.wait()
    client.drop_database(feed_settings.mongodb_database)


class Consumer:
    """The positions of a consumer group that reads two topics."""

    def __init__(self, settings: CdcSettings) -> None:
        self.topics = [settings.topic, f"{settings.topic}-beside"]
        fill(settings, self.topics[0], {0: 5, 1: 0}, first={0: 2})
        fill(settings, self.topics[1], {0: 3})
        self._positions = database(connected(settings), settings)[settings.positions_collection]
        self._settings = settings

    def reach(self, *offsets: int | None) -> None:
        """Store the offsets of the three partitions; None for a partition that was never read."""
        sources = [(self.topics[0], 0), (self.topics[0], 1), (self.topics[1], 0)]
        for (topic, number), offset in zip(sources, offsets, strict=True):
            identity = position_id(self._settings.group, TopicPartition(topic, number))
            self._positions.delete_one({"_id": identity})
            if offset is not None:
                self._positions.insert_one({"_id": identity, "next_offset": offset})

    def barrier(self, clock: FakeClock | None = None) -> Barrier:
        return Barrier(self._settings, self.topics, clock or FakeClock(), using="default")


@pytest.fixture
def consumer(feed_settings: CdcSettings) -> Iterator[Consumer]:
    yield Consumer(feed_settings)
    connected(feed_settings).drop_database(feed_settings.mongodb_database)


@pytest.mark.services
@pytest.mark.parametrize(
    ("reached", "missing"),
    [
        ((5, 0, 3), 0),
        ((5, None, 3), 0),
        ((4, 0, 3), 1),
        ((2, 0, 1), 5),
        ((5, 0, None), 3),
        ((None, None, None), 6),  # Kafka no longer holds the first two records.
        ((9, 0, 3), 3),  # Past the end: Kafka has lost its newest records.
        ((5, 1, 3), 1),
        ((5, 0, 9), 3),
    ],
)
def test_the_records_that_were_not_applied_are_waited_for(
    consumer: Consumer, reached: tuple[int | None, ...], missing: int
) -> None:
    consumer.reach(*reached)
    if not missing:
        consumer.barrier().wait()
        return

    with pytest.raises(Retryable) as waited:
        consumer.barrier().wait()

    assert str(waited.value) == (
        f"Changes queued: {missing}. The consumer is not catching up: check that "
        "`manage.py consume_and_save_to_mongodb` is running."
    )


class ConsumingClock(FakeClock):
    """A clock. At each sleep, which takes 20 s, the consumer applies a record."""

    def __init__(self, consumer: Consumer, steps: Mapping[int, tuple[int, int, int]]) -> None:
        super().__init__()
        self.consumer, self.steps, self.sleeps = consumer, steps, 0

    def sleep(self, seconds: float) -> None:
        super().sleep(20.0)
        self.sleeps += 1
        self.consumer.reach(*self.steps[self.sleeps])


@pytest.mark.services
def test_a_consumer_that_catches_up_slowly_is_waited_for(consumer: Consumer) -> None:
    consumer.reach(2, 0, 3)
    clock = ConsumingClock(consumer, {1: (3, 0, 3), 2: (4, 0, 3), 3: (5, 0, 3)})

    consumer.barrier(clock).wait()

    assert clock.sleeps == 3


@pytest.mark.services
def test_records_that_arrive_meanwhile_are_not_waited_for(
    consumer: Consumer, feed_settings: CdcSettings
) -> None:
    """A position past the end that the barrier saw does not mean that Kafka lost records."""
    consumer.reach(2, 0, 3)

    class Busy(FakeClock):
        def sleep(self, seconds: float) -> None:
            producer = Producer({"bootstrap.servers": feed_settings.bootstrap_servers})
            for _ in range(4):
                producer.produce(consumer.topics[0], b"x", b"1", partition=0)
            assert producer.flush(60) == 0
            consumer.reach(7, 0, 3)

    consumer.barrier(Busy()).wait()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_only_the_outbox_of_its_database_is_waited_for() -> None:
    Story.objects.create(title="a", href="http://a.example/")
    row = OutboxRecord.objects.get()
    row.delete()
    row.pk = 5
    row.save(using="other", force_insert=True)
    other = Barrier(UNREACHABLE, [], FakeClock(), using="other", patience=30.0)

    with pytest.raises(Unreachable):  # The barrier has passed the outbox, and asks MongoDB.
        Barrier(UNREACHABLE, [], FakeClock(), using="default").wait()
    with pytest.raises(Retryable, match=r"Changes queued: 1\. The outbox"):
        other.wait()
    connections["other"].close()


def test_rows_that_are_committed_later_are_not_waited_for() -> None:
    Story.objects.create(title="a", href="http://a.example/")

    class Later(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            OutboxRecord.objects.order_by("id")[:1].get().delete()
            Story.objects.create(title="b", href="http://a.example/")

    with pytest.raises(Unreachable):  # The barrier has passed the outbox, and asks MongoDB.
        Barrier(UNREACHABLE, [], Later(), using="default").wait()

    assert OutboxRecord.objects.count() == 1


@pytest.mark.services
def test_paused_consumers_are_named(feed_settings: CdcSettings) -> None:
    fill(feed_settings, feed_settings.topic, {0: 5})
    pause(feed_settings.group, "an index is built", using="default")
    clock = FakeClock()
    barrier = Barrier(feed_settings, [feed_settings.topic], clock, using="default")

    with pytest.raises(Retryable, match=r"Changes queued: 5\. The consumers are paused: resume"):
        barrier.wait()

    resume(feed_settings.group, "", using="default")
    with pytest.raises(Retryable, match=r"Changes queued: 5\. The consumer is not catching up"):
        barrier.wait()
