"""How long consumers can stay stopped without data loss: the arithmetic, and real servers."""

import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cdc.conf import CdcSettings
from cdc.kafka.retention import kept_seconds
from cdc.kafka.topics import Topics
from cdc.mongo.client import database, position_id
from cdc.registry import Capture, registry
from cdc.status.facts import PartitionLag
from cdc.status.lags import with_horizon
from cdc.status.reader import StatusReader
from cdc.wire.records import TopicPartition
from stories.models import Story
from tests.support.commands import retried, wait_until
from tests.support.mongodb import connected
from tests.support.status import lag
from tests.support.topics import create_topic

DAY = 86_400


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ({"cleanup.policy": "compact", "delete.retention.ms": "604800000"}, 7 * DAY),
        ({"cleanup.policy": "compact", "delete.retention.ms": "0"}, 0),
        ({"cleanup.policy": "delete", "retention.ms": "86400000"}, DAY),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, None),
        ({"cleanup.policy": "compact,delete", "retention.ms": "3600000"}, 3_600),
        ({"cleanup.policy": "delete, compact", "retention.ms": "-1"}, DAY),
        ({"cleanup.policy": "compact", "retention.ms": "1"}, DAY),
        ({"cleanup.policy": "delete", "delete.retention.ms": "1", "retention.ms": "5000"}, 5),
        ({}, None),
    ],
)
def test_a_record_is_kept_as_long_as_the_policies_say(
    config: Mapping[str, str], seconds: float | None
) -> None:
    defaults = {"delete.retention.ms": "86400000", "retention.ms": "604800000"}
    assert kept_seconds({**defaults, **config}) == seconds


@pytest.mark.parametrize(
    ("found", "kept", "loss", "expiry"),
    [
        (lag(0, 0.0), 7.0 * DAY, 7 * DAY, 3 * DAY),
        (lag(5, 1.0 * DAY), 7.0 * DAY, 6 * DAY, 2 * DAY),
        (lag(5, 8.0 * DAY), 7.0 * DAY, 0, 0),
        (lag(5, 1.0 * DAY), None, None, 2 * DAY),
        (replace(lag(0, 0.0), lost=True), 7.0 * DAY, 0, 3 * DAY),
        (replace(lag(0, 0.0), lost=True), None, 0, 3 * DAY),
    ],
)
def test_the_oldest_unapplied_record_counts(
    found: PartitionLag, kept: float | None, loss: float | None, expiry: float
) -> None:
    seen = with_horizon(found, kept, 3)
    assert (seen.seconds_to_loss, seen.seconds_to_marker_expiry) == (loss, expiry)
    assert replace(seen, seconds_to_loss=None, seconds_to_marker_expiry=None) == found


def captures(settings: CdcSettings) -> list[Capture]:
    story = registry.find(Story)
    assert story is not None
    return [replace(story, topic=settings.topic)]


def publish(settings: CdcSettings, days_ago: float) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    moment = int((time.time() - days_ago * DAY) * 1000)
    producer.produce(settings.topic, b"x", b"1", partition=0, timestamp=moment)
    assert producer.flush(60) == 0


def horizons(settings: CdcSettings) -> dict[int, tuple[float | None, float | None]]:
    reader = StatusReader(settings, captures(settings))
    lags: list[PartitionLag] = []

    def is_complete() -> bool:
        status = reader.read()
        lags[:] = status.lags or ()
        return not status.problems

    # A new topic may have no leaders yet.
    wait_until(is_complete, "the leaders")
    return {each.partition: (each.seconds_to_loss, each.seconds_to_marker_expiry) for each in lags}


@pytest.mark.services
@pytest.mark.django_db
def test_the_time_of_a_compacted_topic(feed_settings: CdcSettings) -> None:
    settings = replace(feed_settings, partitions=2, delete_marker_days=7)
    create_topic(settings)
    publish(settings, days_ago=6)

    found = horizons(settings)

    assert list(found[0]) == pytest.approx([DAY, DAY], abs=900)
    assert found[1] == (7 * DAY, 7 * DAY), "nothing waits: all the time is left"

    client = connected(settings)
    positions = database(client, settings)[settings.positions_collection]
    identity = position_id(settings.group, TopicPartition(settings.topic, 0))
    topics = Topics(settings)
    topic_id = retried(lambda: topics.topic_id(settings.topic))
    positions.insert_one({"_id": identity, "topic_id": topic_id, "next_offset": 1})
    assert horizons(settings)[0] == (7 * DAY, 7 * DAY), "it has been applied"
    client.drop_database(settings.mongodb_database)


@pytest.mark.services
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ({"cleanup.policy": "delete", "retention.ms": str(3 * DAY * 1000)}, 2 * DAY),
        ({"cleanup.policy": "compact,delete", "retention.ms": str(3 * DAY * 1000)}, 0),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, None),
    ],
)
def test_the_time_of_a_topic_that_another_program_created(
    feed_settings: CdcSettings, config: dict[str, str], seconds: float | None
) -> None:
    """Kafka's default keeps a tombstone for one day, which is the age of the record."""
    admin = AdminClient({"bootstrap.servers": feed_settings.bootstrap_servers})
    topic = feed_settings.topic
    admin.create_topics([NewTopic(topic, 1, config=config)])[topic].result(60)
    publish(feed_settings, days_ago=1)
    found, _ = horizons(feed_settings)[0]
    assert found == (None if seconds is None else pytest.approx(seconds, abs=900))
