"""A consumer whose servers accept connections but never respond reports this and exits."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cdc.conf import CdcSettings
from tests.acceptance.conftest import environment
from tests.conftest import HAS_MYSQL_CLIENT
from tests.support.processes import Daemon

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def silent() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never responds."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield f"127.0.0.1:{server.getsockname()[1]}"


def start(settings: CdcSettings, folder: Path, **changes: str) -> Daemon:
    return Daemon(
        folder / "consumer.log",
        {**environment(settings, folder), **changes},
        *("consume_and_save_to_mongodb", "--instance", "one"),
    )


def stops(consumer: Daemon) -> None:
    try:
        assert consumer.stop() == 0
    finally:
        consumer.kill()


def test_a_silent_kafka_is_reported(
    feed_settings: CdcSettings, silent: str, tmp_path: Path
) -> None:
    consumer = start(feed_settings, tmp_path, KAFKA_BOOTSTRAP_SERVERS=silent)
    consumer.wait_for("Kafka could not describe")
    stops(consumer)


def test_a_silent_mongodb_is_reported(
    feed_settings: CdcSettings, silent: str, tmp_path: Path
) -> None:
    uri = f"mongodb://{silent}/?replicaSet=rs0"
    consumer = start(feed_settings, tmp_path, MONGODB_URI=uri)
    consumer.wait_for("MongoDB is not responding")
    stops(consumer)


@pytest.mark.skipif(not HAS_MYSQL_CLIENT, reason="needs mysqlclient")
def test_a_silent_database_is_reported_and_delays_no_start(
    feed_settings: CdcSettings, silent: str, tmp_path: Path
) -> None:
    url = f"mysql://user:password@{silent}/name"
    consumer = start(feed_settings, tmp_path, DATABASE_URL=url)
    consumer.wait_for("consumer.started")
    consumer.wait_for("consumer.pause_unknown")
    stops(consumer)
