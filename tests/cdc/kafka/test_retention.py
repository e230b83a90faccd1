"""How long Kafka keeps records is read from the topic, at intervals."""

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka import retention
from cdc.kafka.retention import Retention
from tests.support.commands import wait_until
from tests.support.feed_settings import without_servers
from tests.support.topics import create_topic

pytestmark = pytest.mark.services


def keep(settings: CdcSettings, milliseconds: int) -> None:
    """Change how long the topic keeps tombstones."""
    entry = ConfigEntry(
        "delete.retention.ms", str(milliseconds), incremental_operation=AlterConfigOpType.SET
    )
    changed = ConfigResource(ConfigResource.Type.TOPIC, settings.topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for future in admin.incremental_alter_configs([changed]).values():
        future.result(60)


def test_the_configuration_is_read_at_intervals(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topic(feed_settings)
    keep(feed_settings, 5_000)
    other, found = Retention(feed_settings), Retention(feed_settings)
    monkeypatch.setattr(retention, "_FRESH_SECONDS", 0.0)
    wait_until(lambda: other.seconds(feed_settings.topic) == 5.0, "the changed configuration")
    monkeypatch.setattr(retention, "_FRESH_SECONDS", 600.0)
    assert found.seconds(feed_settings.topic) == 5.0

    keep(feed_settings, 9_000)

    monkeypatch.setattr(retention, "_FRESH_SECONDS", 0.0)
    wait_until(lambda: other.seconds(feed_settings.topic) == 9.0, "the changed configuration")
    monkeypatch.setattr(retention, "_FRESH_SECONDS", 600.0)
    assert found.seconds(feed_settings.topic) == 5.0, "read a moment ago"
    monkeypatch.setattr(retention, "_FRESH_SECONDS", 0.0)
    assert found.seconds(feed_settings.topic) == 9.0


def test_an_unreachable_broker_is_an_outage() -> None:
    found = Retention(without_servers(bootstrap_servers="127.0.0.1:1"))
    with pytest.raises(Retryable, match="could not describe the configuration of"):
        found.seconds("orders")
