"""A partition that is added while the consumers of a group restart."""

import time
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from cdc.conf import CdcSettings
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics

pytestmark = pytest.mark.services
SECONDS = 60.0


def assigned(sources: list[KafkaSource], count: int, seconds: float = SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for source in sources:
            source.poll(10, 0.05)
        if len(frozenset().union(*(source.waiting() for source in sources))) == count:
            return True
    return False


def test_it_is_assigned(feed_settings: CdcSettings) -> None:
    settings = replace(feed_settings, group=f"{feed_settings.group}-new")
    Topics(settings).ensure(settings.topic)
    names = ["one", "two", "three"]
    sources = [KafkaSource(settings, [settings.topic], name) for name in names]
    assert assigned(sources, settings.partitions)
    client = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    new = NewPartitions(settings.topic, settings.partitions + 1)
    client.create_partitions([new])[settings.topic].result(60)
    # The new processes replace the old ones, which have not left the group, as after a SIGKILL.
    killed = sources
    sources = [KafkaSource(settings, [settings.topic], name) for name in names]
    try:
        assert assigned(sources, settings.partitions + 1)
    finally:
        for source in [*sources, *killed]:
            source.close()
