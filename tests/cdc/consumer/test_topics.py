"""The consumer detects recreated topics and new partitions."""

import logging
from dataclasses import replace

import pytest

from cdc.consumer.topics import CHECK_SECONDS, KnownTopics, report_taken
from cdc.errors import Fenced
from cdc.mongo.plan import StoredPosition
from cdc.runtime import telemetry
from cdc.testing.twins import FakeClock, MemoryBroker
from cdc.wire.records import TopicPartition

TOPIC = "orders"


def known() -> tuple[KnownTopics, MemoryBroker, FakeClock]:
    broker, clock = MemoryBroker(), FakeClock()
    topics = KnownTopics(broker, clock)
    topics.refresh(TOPIC)
    topics.check()
    return topics, broker, clock


def test_a_recreated_topic_is_found_by_the_next_check() -> None:
    topics, broker, clock = known()
    broker.recreate(TOPIC)
    topics.check()  # This does nothing, because the last check was too recent.
    clock.sleep(CHECK_SECONDS)

    with pytest.raises(Fenced, match="recreated"):
        topics.check()

    assert topics.ids == {}
    topics.refresh(TOPIC)
    assert topics.ids == {TOPIC: broker.topic_id(TOPIC)}


def test_a_recreated_topic_is_found_when_a_partition_is_taken_over() -> None:
    topics, broker, _ = known()
    broker.recreate(TOPIC)
    with pytest.raises(Fenced, match="recreated"):
        topics.refresh(TOPIC)
    topics.refresh(TOPIC)


def test_a_new_partition_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    topics, broker, _ = known()
    broker.partition_count = 8
    topics.refresh(TOPIC)
    topics.refresh(TOPIC)
    (logged,) = [
        vars(item) for item in caplog.records if item.message == telemetry.PARTITIONS_CHANGED
    ]
    assert (logged["topic"], logged["before"], logged["now"]) == (TOPIC, 5, 8)


def test_a_partition_is_logged_with_its_topic(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    taken = StoredPosition(next_offset=7, recreated=False)
    report_taken(TopicPartition("a", 0), taken)
    report_taken(TopicPartition("b", 0), replace(taken, recreated=True))
    entries = [vars(each) for each in caplog.records]
    assert [(each["message"], each["topic"], each["partition"]) for each in entries] == [
        (telemetry.PARTITION_TAKEN, "a", 0),
        (telemetry.PARTITION_RECREATED, "b", 0),
    ]
