"""Messages that cannot be applied, from Kafka to a decision, with real processes."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import admin
from django.db import connection

from cdc.dead_letters.store import RELAY_GROUP
from cdc.errors import Retryable
from cdc.kafka.publisher import KafkaPublisher
from cdc.models import DeadLetter, OperatorAction
from cdc.wire.records import Outgoing
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.support.builders import change, outgoing
from tests.support.commands import Done, manage_patiently, wait_until
from tests.support.hostile import hostile
from tests.support.processes import Daemon

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def story(title: str, **columns: Any) -> Story:
    return Story.objects.create(title=title, href="http://example.org/", **columns)


def publish(feed: RunningFeed, *records: Outgoing) -> None:
    publisher = KafkaPublisher(feed.settings)
    wait_until(lambda: _acknowledged(publisher, records), "Kafka has the records")
    publisher.close()


def _acknowledged(publisher: KafkaPublisher, records: Sequence[Outgoing]) -> bool:
    """Publish the records. Return False if the attempt has only created the topic."""
    try:
        assert publisher.publish(records, lambda: True) == {}
    except Retryable:
        return False
    return True


def poison(feed: RunningFeed, key: int) -> Outgoing:
    return Outgoing(
        topic=feed.settings.topic,
        key=b'{"id":%d}' % key,
        value=b"\x00poison",
        headers=(),
        timestamp_ms=int(time.time() * 1000),
    )


def wait_for_letters(feed: RunningFeed, count: int) -> None:
    feed.wait_until(lambda: DeadLetter.objects.count() >= count, f"{count} letters")


def wait_for_the_end(consumer: Daemon) -> None:
    """Wait until the consumer ends for another reason than its removal by Kafka."""
    wait_until(
        lambda: not consumer.alive() and not consumer.is_removed,
        "the consumer to end",
        meanwhile=consumer.tend,
    )


def command(feed: RunningFeed, *arguments: str) -> Done:
    return manage_patiently(feed.environment, "dead_letters", *arguments)


def test_a_bad_message_is_stored_inspected_and_replayed(feed: RunningFeed) -> None:
    saved = story("good")
    feed.wait_until_equal()

    publish(feed, poison(feed, saved.pk))
    story("after it")
    feed.wait_until_equal()
    wait_for_letters(feed, 1)

    (listed,) = json.loads(command(feed, "list", "--json").stdout)
    assert listed["reason"].startswith("The value is not JSON")
    show = ("show", str(listed["id"]), "--json")
    # The command waits only a second for MongoDB; it may get no CPU time meanwhile.
    wait_until(
        lambda: "is the same in the replica" in json.loads(command(feed, *show).stdout)["verdict"],
        "the verdict",
    )
    assert json.loads(command(feed, *show).stdout)["payload"] == r"\x00poison"
    done = command(feed, "replay", str(listed["id"]), "--why", "to see it go")
    assert (done.returncode, done.stdout) == (0, "1 replayed.\n")
    feed.wait_until_equal()
    assert OperatorAction.objects.get().why == "to see it go"
    assert command(feed, "discard", str(listed["id"])).returncode == 1
    assert command(feed, "show").returncode == 2


def test_a_crash_between_letter_and_offset_keeps_one_letter(feed: RunningFeed) -> None:
    story("good")
    feed.wait_until_equal()
    assert feed.consumer.stop() == 0
    feed.consumer._environment["CDC_FAULT"] = "dead_letter.stored:kill:3"
    publish(feed, *(poison(feed, 17) for _ in range(5)))

    feed.consumer.start()
    wait_for_the_end(feed.consumer)
    assert DeadLetter.objects.count() == 3
    del feed.consumer._environment["CDC_FAULT"]
    feed.consumer.start()

    wait_for_letters(feed, 5)
    story("after it")
    feed.wait_until_equal()
    assert DeadLetter.objects.count() == 5


def test_the_consumer_stops_when_letters_cannot_be_stored(feed: RunningFeed) -> None:
    saved = story("good")
    feed.wait_until_equal()
    with renamed("cdc_dead_letter"):
        publish(feed, poison(feed, saved.pk))
        wait_for_the_end(feed.consumer)
        assert "can be neither applied nor stored as a dead letter" in feed.consumer.log

    feed.consumer.start()
    wait_for_letters(feed, 1)


def test_a_flood_stops_the_consumer_and_a_restart_resumes(feed: RunningFeed) -> None:
    story("good")
    feed.wait_until_equal()
    publish(feed, *(poison(feed, 17) for _ in range(150)))

    wait_for_the_end(feed.consumer)

    assert (
        "The consumer stops before it applies this batch, so no message is skipped"
        in feed.consumer.log
    )
    assert "Traceback" not in feed.consumer.log
    feed.consumer.start()
    wait_for_letters(feed, 150)
    story("after it")
    feed.wait_until_equal()


def test_hostile_messages_pass_through_kafka(feed: RunningFeed) -> None:
    feed.consumer.kill()
    messages = [
        message
        for message in hostile(90, 7, feed.settings.topic)
        if len(message.value or b"") < 500_000
    ]
    publish(feed, *messages)
    good = outgoing(change("c", 1_000_000, 1), feed.settings.topic)
    publish(feed, good)

    feed.consumer.start()

    wait_for_letters(feed, 40)
    assert feed.consumer.alive(), feed.consumer.log


def test_a_row_that_kafka_rejects_blocks_neither_its_story_nor_others(
    feed: RunningFeed,
) -> None:
    first = story("first")
    feed.wait_until_equal()
    assert feed.relay.stop() == 0
    limit_messages(feed, 20_000)
    large = story("large", description="x" * 50_000)
    # The before-image of this change is still large.
    Story.objects.filter(pk=large.pk).update(description="small again")
    Story.objects.filter(pk=large.pk).update(title="small again")
    Story.objects.filter(pk=first.pk).update(title="innocent")
    others = [story(f"story {number}") for number in range(20)]

    feed.relay.start()
    feed.wait_until_equal()
    wait_until_published()  # The relay stores a letter before it deletes the row.

    letters = list(DeadLetter.objects.all())
    assert [letter.key_text for letter in letters] == [f'{{"id":{large.pk}}}'] * 2
    assert {letter.group for letter in letters} == {RELAY_GROUP}
    assert "Message size too large" in letters[0].reason
    assert len(others) == 20
    assert command(feed, "replay", "--waiting").stdout == "2 replayed.\n"
    feed.wait_until_equal()


def limit_messages(feed: RunningFeed, size: int) -> None:
    """Make the topic reject batches over `size` bytes."""
    kafka: Any = admin
    client = kafka.AdminClient({"bootstrap.servers": feed.settings.bootstrap_servers})
    change = kafka.AlterConfigOpType.SET
    entry = kafka.ConfigEntry("max.message.bytes", str(size), incremental_operation=change)
    topic = (kafka.ConfigResource.Type.TOPIC, feed.settings.topic)
    resource = kafka.ConfigResource(*topic, incremental_configs=[entry])
    client.incremental_alter_configs([resource])[resource].result(60)


@contextmanager
def renamed(table: str) -> Iterator[None]:
    """Rename a table inside the block."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
