"""A running pipeline: relay and consumer as processes that use the test's database."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cdc.conf import CdcSettings
from cdc.consumer.pause import pause
from cdc.models import OutboxRecord
from cdc.registry import registry
from cdc.status.findings import State
from stories.models import Story
from tests.support.commands import manage, wait_until
from tests.support.equality import wait_until_equal
from tests.support.paths import ROOT
from tests.support.processes import Daemon

STATUS_SECONDS = 90.0


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
        replica = (self.settings.mongodb_uri, self.settings.mongodb_database)
        wait_until_equal(*replica, seconds, meanwhile=self.tend)

    def tend(self) -> None:
        """Restart the consumer if Kafka has removed it from its group, as a supervisor does."""
        self.consumer.tend()

    def wait_until(self, reached: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
        """Wait until `reached()` is true. Meanwhile, tend the consumer."""
        wait_until(reached, what, seconds, meanwhile=self.tend)

    def status(self, root: Path = ROOT) -> dict[str, Any]:
        """Return what `cdc_status --json` of the code in `root` prints when all servers respond.

        A new process waits only a second for MongoDB, which is too short if it gets no CPU time.
        """
        deadline = time.monotonic() + STATUS_SECONDS
        while True:
            done = manage(self.environment, "cdc_status", "--json", root=root)
            assert done.stdout, done.stderr
            found: dict[str, Any] = json.loads(done.stdout)
            if not found["problems"]:
                return found
            assert time.monotonic() < deadline, found["problems"]

    def pause(self, reason: str) -> None:
        """Pause the consumer, and wait until it has noticed this."""
        event = "consumer.paused"
        # A process may count as paused before it can read the state.
        before = self.consumer.log.count(event)
        pause(self.settings.group, reason, using="default")
        self.wait_until(lambda: self.consumer.log.count(event) > before, "the pause")

    def healthy_status(self, root: Path = ROOT) -> dict[str, Any]:
        """Wait until the status is healthy, and return it.

        A daemon that failed for seconds at its start counts as failing for some seconds more. No
        other state may be left.
        """
        deadline = time.monotonic() + STATUS_SECONDS
        while not (found := self.status(root))["healthy"]:
            assert found["state"] in {State.DELAYED, State.FAILING}, found["verdict"]
            self.tend()
            assert time.monotonic() < deadline, found["verdict"]
        return found

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


def wait_until_published() -> None:
    """Wait until the outbox is empty: the relay deletes a row some time after it is published."""
    wait_until(lambda: not OutboxRecord.objects.exists(), "an empty outbox")


def environment(settings: CdcSettings, folder: Path) -> dict[str, str]:
    """Return the environment for a process that uses the test's database, topic and replica."""
    config = json.dumps(dict(settings.kafka_config))
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "STORYFEED_HOME": str(folder),
        "DATABASE_URL": _database_url(),
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "KAFKA_TOPIC": settings.topic,
        "MONGODB_URI": settings.mongodb_uri,
        "MONGODB_DATABASE": settings.mongodb_database,
        "CONSUMER_GROUP": settings.group,
        **({"KAFKA_CONFIG": config} if settings.kafka_config else {}),
    }


def _database_url() -> str:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password = settings["USER"], settings["PASSWORD"]
    return f"mysql://{user}:{password}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
