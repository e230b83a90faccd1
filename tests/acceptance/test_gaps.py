"""Records that Kafka deleted before they were read: status, metrics and repair."""

from contextlib import closing

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from cdc.conf import CdcSettings
from cdc.kafka.tail import KafkaTail
from cdc.wire.topic import TopicBounds
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.acceptance.test_reconcile import reconcile
from tests.support.commands import manage_patiently, retried, wait_until

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def bounds(settings: CdcSettings) -> TopicBounds:
    with closing(KafkaTail(settings)) as tail:
        return retried(tail.bounds)


def delete_records(settings: CdcSettings, ends: TopicBounds) -> None:
    """Delete all records, as Kafka's retention would."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    policy = ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(
        ConfigResource.Type.TOPIC, settings.topic, incremental_configs=[policy]
    )
    for future in admin.incremental_alter_configs([changed]).values():
        future.result(60)
    asked = [TopicPartition(settings.topic, number, end) for number, end in enumerate(ends.end)]
    wait_until(lambda: _deleted(admin, asked), "the broker applies the policy")


def _deleted(admin: AdminClient, asked: list[TopicPartition]) -> bool:
    """Delete the records; return False if the broker does not know the topic's policy yet."""
    try:
        for future in admin.delete_records(asked).values():
            future.result(60)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.POLICY_VIOLATION:
            raise
        return False
    return True


def test_a_gap_is_shown_until_a_reconciliation_has_repaired_it(feed: RunningFeed) -> None:
    stories = [Story.objects.create(title=f"{n}", href="http://a.example/") for n in range(20)]
    feed.wait_until_equal()
    feed.consumer.stop()
    before = bounds(feed.settings)
    for story in stories:
        story.title = "changed"
        story.save()
    wait_until_published()
    delete_records(feed.settings, bounds(feed.settings))
    moves = zip(before.end, bounds(feed.settings).end, strict=True)
    lost = {number for number, (old, new) in enumerate(moves) if old < new}

    found = feed.status()
    assert {each["partition"] for each in found["lags"] if each["lost"]} == lost
    assert not found["healthy"]
    assert found["verdict"].startswith("A gap in partition")

    feed.consumer.start()
    feed.wait_until(lambda: len(feed.status()["gaps"]) == len(lost), "the gaps are stored")
    found = feed.status()
    assert not any(each["lost"] or each["records"] for each in found["lags"])
    assert {each["partition"] for each in found["gaps"]} == lost
    assert not found["healthy"]
    log = feed.consumer.log
    reported = [line for line in log.splitlines() if "event=kafka.error" in line]
    assert any(f"topic={feed.settings.topic} " in line for line in reported), log

    code, result = reconcile(feed)
    assert (code, result["equal"]) == (1, False)
    assert len(feed.status()["gaps"]) == len(lost), "a difference is left"
    code, result = reconcile(feed, "--repair")
    assert (code, result["equal"]) == (0, True)

    feed.wait_until_equal()
    assert feed.healthy_status()["gaps"] == []


def test_a_rewind_over_lost_records_hides_no_gap(feed: RunningFeed) -> None:
    """This also holds for partitions that were empty while the consumer was running."""
    feed.consumer.wait_for("partition.taken")
    Story.objects.create(title="first", href="http://a.example/")
    feed.wait_until_equal()
    feed.consumer.stop()
    before = bounds(feed.settings)
    for number in range(20):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    wait_until_published()
    delete_records(feed.settings, bounds(feed.settings))
    lost = {
        number: [old, new]
        for number, (old, new) in enumerate(zip(before.end, bounds(feed.settings).end, strict=True))
        if old < new
    }

    manage_patiently(feed.environment, "rewind", "--to-earliest")
    feed.consumer.start()
    feed.consumer.wait_for("partition.taken")
    feed.wait_until(lambda: len(feed.status()["gaps"]) == len(lost), "the gaps are stored")

    found = feed.status()
    gaps = {each["partition"]: [each["lost_from"], each["resumed_at"]] for each in found["gaps"]}
    assert gaps == lost
    assert not found["healthy"]
    code, result = reconcile(feed, "--repair")
    assert (code, result["equal"]) == (0, True)
    feed.wait_until_equal()
    assert feed.status()["gaps"] == []
