"""What the consumers cost while one broker of a cluster is down."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import ConsumerGroupState, KafkaException
from pytest_django.plugin import DjangoDbBlocker

from cdc.conf import CdcSettings
from cdc.kafka.groups import Groups
from project.stack.ports import free_port
from tests.acceptance.conftest import environment
from tests.faults.conftest import isolated_settings
from tests.faults.crew import COSTLY_SECONDS, wait_until
from tests.faults.databases import isolated_database
from tests.faults.schedule.kafka import Broker, Node
from tests.support.processes import Daemon
from tests.support.servers import launched

pytestmark = [pytest.mark.services, pytest.mark.faults]

_DOWN_SECONDS = 8.0
_HIGHEST_SHARE = 0.1
"""The highest share of a core. A consumer that waits for messages takes about 0.01 of a core."""


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Broker]]:
    ports = [free_port() for _ in range(3)]
    nodes = [Node(number, port, free_port(), port) for number, port in enumerate(ports, 1)]
    folder = tmp_path_factory.mktemp("cluster")
    found = [Broker(folder, node, nodes, seed=1) for node in nodes]
    with launched(found):
        yield found


def test_consumers_wait_for_a_broker_without_a_busy_loop(
    brokers: list[Broker],
    mongodb_uri: str,
    django_db_blocker: DjangoDbBlocker,
    tmp_path: Path,
) -> None:
    settings = isolated_settings(brokers[0].bootstrap_servers, mongodb_uri)
    with django_db_blocker.unblock(), isolated_database(settings.group, tmp_path):
        shared = {**environment(settings, tmp_path), "KAFKA_REPLICATION_FACTOR": "3"}
        command = "consume_and_save_to_mongodb"
        consumers = [Daemon(tmp_path / f"{number}.log", shared, command) for number in range(2)]
        try:
            shares = []
            for broker in brokers[:2]:
                _wait_until_reading(consumers, settings)
                shares += _shares(broker, consumers)
        finally:
            for each in consumers:
                each.kill()
    assert shares, "Kafka removed both consumers during both outages."
    assert max(shares) < _HIGHEST_SHARE, shares


def _wait_until_reading(consumers: list[Daemon], settings: CdcSettings) -> None:
    """Wait for partitions; like a supervisor, restart a consumer that Kafka has removed."""
    groups = Groups(settings)

    def restart() -> None:
        for each in consumers:
            if not each.alive():
                assert each.is_removed, each.log
                each.start()

    def reading() -> bool:
        # A consumer that outlived an outage logs nothing if it keeps its partitions.
        taken = all("partition.taken" in each.current_log for each in consumers)
        return taken and _agreed(groups, settings.group, len(consumers))

    wait_until(reading, "the consumers read", every=COSTLY_SECONDS, meanwhile=restart)


def _agreed(groups: Groups, name: str, members: int) -> bool:
    """Return whether the group has so many members, which have shared out the partitions."""
    try:
        found = groups.request(name).result(60)
    except KafkaException:
        return False
    return found.state is ConsumerGroupState.STABLE and len(found.members) == members


def _shares(broker: Broker, consumers: list[Daemon]) -> list[float]:
    """Return the share of a core that each consumer takes while the broker is down.

    A consumer that Kafka removes from its group meanwhile is left out.
    """
    broker.kill()
    try:
        began, before = time.monotonic(), [_cpu(each) for each in consumers]
        time.sleep(_DOWN_SECONDS)
        seconds, after = time.monotonic() - began, [_cpu(each) for each in consumers]
    finally:
        broker.launch()
        broker.wait_ready()
    return [
        (end - start) / seconds
        for start, end in zip(before, after, strict=True)
        if start is not None and end is not None
    ]


def _cpu(consumer: Daemon) -> float | None:
    """Return the seconds of processor time that the consumer has taken; None if it was removed."""
    # If the coordinator of the group fails, Kafka may forget the membership of a consumer.
    if consumer.is_removed:
        return None
    assert consumer.alive(), consumer.log  # A process that has ended takes no time, either.
    times = psutil.Process(consumer.pid).cpu_times()
    return times.user + times.system
