"""Of two consumers with the same instance name, the younger stops, and the older continues."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from cdc.conf import CdcSettings
from cdc.mongo.client import connect
from cdc.mongo.instances import Instances
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.support.feed_settings import LONG_SESSION
from tests.support.processes import MANAGE, Daemon

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

PATIENT = f"""\
from cdc.consumer import presence

presence.SILENT_SECONDS = 60.0
{MANAGE[1]}"""
"""A process that does not take over the name of a process that gets no CPU time for 3 s."""


@pytest.fixture
def feed_settings(feed_settings: CdcSettings) -> CdcSettings:
    """Keep the older consumer in its group: nothing can restart it while the test waits."""
    return replace(feed_settings, kafka_config=LONG_SESSION)


@pytest.mark.parametrize("same_home", [True, False])
def test_the_younger_of_two_processes_with_one_name_gives_way(
    feed: RunningFeed, tmp_path: Path, *, same_home: bool
) -> None:
    home = feed.folder if same_home else tmp_path / "another"
    environment = {**feed.environment, "STORYFEED_HOME": str(home)}
    feed.consumer.wait_for("partition.taken")
    pid = feed.consumer.pid
    command = ("consume_and_save_to_mongodb", "--instance", "one")
    log = tmp_path / "younger.log"
    younger = Daemon(log, environment, *command, program=("-c", PATIENT))
    try:
        assert younger.wait() == 2
    finally:
        younger.kill()
    assert "already uses the instance name 'one'" in younger.log
    assert "Traceback" not in younger.log
    Story.objects.create(title="a", href="http://a.example/")
    feed.wait_until_equal()
    assert feed.consumer.alive()
    assert feed.consumer.pid == pid


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restarted_process_gets_its_name_back_at_once(
    feed: RunningFeed, how: signal.Signals
) -> None:
    feed.consumer.wait_for("partition.taken")
    feed.consumer.signal(how)
    feed.consumer.wait()

    feed.consumer.start()
    feed.consumer.wait_for("partition.taken")

    client = connect(feed.settings)
    found = Instances(client, feed.settings, "one").read()
    assert found is not None
    assert found.process.pid == feed.consumer.pid
    client.close()
