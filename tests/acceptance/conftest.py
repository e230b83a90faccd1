"""A running pipeline: relay and consumer as processes that use the test's database."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from cdc.conf import CdcSettings
from cdc.registry import registry
from stories.models import Story
from tests.support.equality import wait_until_equal
from tests.support.processes import Daemon


class RunningFeed:
    """A relay and a consumer that use the test's database, topic and replica."""

    def __init__(
        self, settings: CdcSettings, folder: Path, through: dict[str, str] | None = None
    ) -> None:
        """`through` is the environment of the processes, if they connect through proxies."""
        self.settings = settings
        self.folder = folder
        self.environment = through or environment(settings, folder)
        self.relay = Daemon(folder / "relay.log", self.environment, "relay_outbox")
        self.consumer = self.consumer_named("one", folder)

    def consumer_named(self, name: str, folder: Path) -> Daemon:
        command = ("consume_and_save_to_mongodb", "--instance", name)
        return Daemon(folder / f"consumer-{name}.log", self.environment, *command)

    def wait_until_equal(self, seconds: float = 90.0) -> None:
        wait_until_equal(self.settings.mongodb_uri, self.settings.mongodb_database, seconds)

    def kill(self) -> None:
        for daemon in (self.relay, self.consumer):
            if daemon.alive():
                daemon.kill()


@pytest.fixture
def feed(
    transactional_db: None, feed_settings: CdcSettings, tmp_path: Path
) -> Iterator[RunningFeed]:
    # Each outbox row names its topic, so this process must capture into the test's topic.
    before = registry.find(Story)
    assert before is not None
    registry.register(replace(before, topic=feed_settings.topic))
    running = RunningFeed(feed_settings, tmp_path)
    yield running
    running.kill()
    registry.register(before)


def environment(settings: CdcSettings, folder: Path) -> dict[str, str]:
    """Return the environment for a process that uses the test's database, topic and replica."""
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "STORYFEED_HOME": str(folder),
        "DATABASE_URL": _database_url(),
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "KAFKA_TOPIC": settings.topic,
        "MONGODB_URI": settings.mongodb_uri,
        "MONGODB_DATABASE": settings.mongodb_database,
        "CONSUMER_GROUP": settings.group,
    }


def _database_url() -> str:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password = settings["USER"], settings["PASSWORD"]
    return f"mysql://{user}:{password}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
