"""The group takes partitions away from a source at awkward moments."""

from collections.abc import Callable

import pytest

from cdc.conf import CdcSettings
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
