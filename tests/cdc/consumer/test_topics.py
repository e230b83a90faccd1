"""The consumer detects recreated topics and new partitions."""

import pytest

from cdc.consumer.topics import CHECK_SECONDS, KnownTopics
from cdc.errors import Fenced
from cdc.runtime import telemetry
from cdc.testing.twins import FakeClock, MemoryBroker

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
