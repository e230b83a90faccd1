"""The group takes partitions away from a source at awkward moments."""

from collections.abc import Callable
from contextlib import closing

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Fatal
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from tests.faults.crew import wait_until

pytestmark = [pytest.mark.services, pytest.mark.faults]


def polled(*sources: KafkaSource, until: Callable[[], bool]) -> None:
    def poll_all() -> bool:
        for source in sources:
            source.poll(1, 0.05)
        return until()

    wait_until(poll_all, "the group settles")


def test_partitions_that_only_wait_can_be_taken_away(feed_settings: CdcSettings) -> None:
    Topics(feed_settings).ensure(feed_settings.topic)
    first = KafkaSource(feed_settings, [feed_settings.topic], "first")
    polled(first, until=lambda: len(first.waiting()) == 5)

    second = KafkaSource(feed_settings, [feed_settings.topic], "second")
    polled(first, second, until=lambda: len(second.waiting()) == 2)

    assert len(first.waiting()) == 3
    first.close()
    second.close()


def test_a_source_that_was_replaced_says_so_when_it_is_closed(feed_settings: CdcSettings) -> None:
    Topics(feed_settings).ensure(feed_settings.topic)
    first = KafkaSource(feed_settings, [feed_settings.topic], "same")
    polled(first, until=lambda: len(first.waiting()) == 5)
    second = KafkaSource(feed_settings, [feed_settings.topic], "same")

    with (
        closing(second),
        pytest.raises(Fatal, match="Kafka removed this consumer"),
        closing(first),
    ):
        polled(second, first, until=lambda: False)
