"""Topics on a real broker: their creation, and queries about missing topics and groups."""

from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.groups import Groups
from cdc.kafka.topics import Topics
from tests.support.commands import retried, wait_until
from tests.support.topics import create_topic

pytestmark = pytest.mark.services


def answered(result: object) -> "Future[Any]":
    future: Future[Any] = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def no_members(groups: Groups, group: str) -> bool:
    try:
        return groups.members(group) == 0
    except Retryable:  # A new broker elects its group coordinator only after the first request.
        return False


def config_of(settings: CdcSettings) -> dict[str, str | None]:
    resource = ConfigResource(ResourceType.TOPIC, settings.topic)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    found = admin.describe_configs([resource])[resource].result(60)
    return {name: entry.value for name, entry in found.items()}


def test_a_topic_is_created_once_and_compacted(feed_settings: CdcSettings) -> None:
    create_topic(feed_settings, partitions=3)
    create_topic(feed_settings, partitions=7)

    topics = Topics(feed_settings)
    assert retried(lambda: topics.partitions(feed_settings.topic)) == (0, 1, 2)
    config = config_of(feed_settings)
    assert config["cleanup.policy"] == "compact"
    assert config["delete.retention.ms"] == str(feed_settings.delete_marker_days * 86_400_000)


def test_a_topic_takes_events_of_the_largest_size(feed_settings: CdcSettings) -> None:
    settings = replace(feed_settings, max_event_bytes=5_000_000)
    create_topic(settings)
    assert config_of(settings)["max.message.bytes"] == "5100000"


def test_what_does_not_exist_is_empty(feed_settings: CdcSettings) -> None:
    topics = Topics(feed_settings)
    assert topics.partitions(feed_settings.topic) == ()
    wait_until(
        lambda: no_members(Groups(feed_settings), feed_settings.group), "an answer about the group"
    )
    with pytest.raises(Retryable, match="could not describe the topic"):
        topics.topic_id(feed_settings.topic)


def test_a_recreated_topic_is_detected_after_a_request_that_failed(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(feed_settings)
    answers = [answered(OSError("no broker")), *[answered(SimpleNamespace(topic_id="new"))] * 2]
    monkeypatch.setattr(topics, "_describe", lambda _topic: answers.pop(0))

    assert [topics.recreated({"orders": "old"}) for _ in range(3)] == [False, False, True]
