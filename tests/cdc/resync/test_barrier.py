"""A barrier that is not reached names the part of the pipeline that makes no progress."""

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.topics import Topics
from cdc.models import OutboxRecord
from cdc.mongo.client import connect, database, position_id
from cdc.resync.barrier import Barrier
from cdc.testing.twins import FakeClock
from cdc.wire.records import TopicPartition
from stories.models import Story
from tests.support.feed_settings import without_servers

pytestmark = pytest.mark.django_db(transaction=True)
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
    message = r"1 changes queued and the outbox is not draining: .* `manage.py relay_outbox`"
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
    Topics(feed_settings).ensure(feed_settings.topic)
    client = connect(feed_settings)
    positions = database(client, feed_settings)[feed_settings.positions_collection]
    source = TopicPartition(feed_settings.topic, 0)
    identity = position_id(feed_settings.group, source)
    positions.insert_one({"_id": identity, "topic_id": "a", "next_offset": 5})
    barrier = Barrier(feed_settings, [feed_settings.topic], FakeClock(), using="default")

    with pytest.raises(Retryable, match="1 changes queued and the consumer is not catching up"):
        barrier.wait()

    positions.update_one({"_id": identity}, {"$set": {"next_offset": 0}})
    barrier.wait()
    client.drop_database(feed_settings.mongodb_database)
