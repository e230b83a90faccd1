"""The relay as a process."""

import threading
from pathlib import Path

import pytest

from cdc.conf import CdcSettings
from cdc.daemons.relay import _sweeping, run_relay
from cdc.errors import Misconfigured
from cdc.models import OutboxRecord
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.sweeper import Sweeper
from cdc.registry import all_topics
from cdc.runtime import telemetry
from cdc.runtime.clock import SystemClock
from cdc.runtime.error_report import ErrorReport
from stories.models import Story
from tests.faults.crew import daemon_environment
from tests.support.feed_settings import without_servers
from tests.support.processes import Daemon

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.mark.services
def test_a_relay_that_waits_for_kafka_says_so(feed_settings: CdcSettings, tmp_path: Path) -> None:
    nowhere = {
        **daemon_environment(feed_settings, tmp_path),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    relay = Daemon(tmp_path / "relay.log", nowhere, "relay_outbox")
    try:
        relay.wait_for("event=relay.retry")
        (line,) = [line for line in relay.log.splitlines() if "event=relay.retry" in line][:1]
        assert "Kafka" in line
        assert "event=relay.started" not in relay.log
        assert relay.stop() == 0
    finally:
        relay.kill()


def test_a_relay_knows_how_many_partitions_each_topic_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: list[object] = []

    def publisher(_settings: CdcSettings, partitions: object = None) -> None:
        known.append(partitions)
        raise Misconfigured("The test ends here.")

    monkeypatch.setattr("cdc.daemons.relay.KafkaPublisher", publisher)
    with pytest.raises(Misconfigured, match="ends here"):
        run_relay(without_servers())

    assert known == [all_topics()]


@pytest.mark.database
def test_published_rows_are_deleted_before_the_relay_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cdc.daemons.relay._DRAIN_SECONDS", 60.0)
    outbox, clock = OutboxQueue("default"), SystemClock()
    sweeper = Sweeper(outbox, clock)
    for number in range(30):
        Story.objects.create(title=f"{number}", href="http://example.org/")

    errors = ErrorReport("relay a", telemetry.RELAY_RETRY, "default", clock)
    with _sweeping(sweeper, outbox, clock, errors) as thread:
        sweeper.published(list(OutboxRecord.objects.all()))
        assert thread is not threading.current_thread()

    assert not OutboxRecord.objects.exists()
    assert not thread.is_alive()
