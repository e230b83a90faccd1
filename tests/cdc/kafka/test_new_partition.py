"""A partition that is added while the consumers of a group restart."""

import time
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from cdc.conf import CdcSettings
from cdc.kafka.source import KafkaSource
from tests.support.topics import create_topic

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


def consume(settings: CdcSettings, names: list[str], ready: Connection) -> None:
    """Report when all partitions are assigned, and wait for SIGKILL."""
    sources = [KafkaSource(settings, [settings.topic], name) for name in names]
    ready.send(assigned(sources, settings.partitions))
    while True:
        for source in sources:
            source.poll(10, 0.05)


def kill_consumers(settings: CdcSettings, names: list[str]) -> None:
    """Run consumers in another process until they have all partitions, then kill that process."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=consume, args=(settings, names, theirs), daemon=True)
    process.start()
    try:
        assert mine.poll(2 * SECONDS)
        assert mine.recv()
    finally:
        process.kill()
        process.join(SECONDS)


def test_it_is_assigned(long_session: CdcSettings) -> None:
    settings = replace(long_session, group=f"{long_session.group}-new")
    create_topic(settings)
    names = ["one", "two", "three"]
    kill_consumers(settings, names)
    client = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    new = NewPartitions(settings.topic, settings.partitions + 1)
    client.create_partitions([new])[settings.topic].result(60)
    # The killed consumers have not left the group.
    sources = [KafkaSource(settings, [settings.topic], name) for name in names]
    try:
        assert assigned(sources, settings.partitions + 1)
    finally:
        for source in sources:
            source.close()
