"""Storing dead letters, on each database."""

import pytest
from django.db import connection

from cdc.dead_letters.store import LARGEST_KEPT, RELAY_GROUP, DeadLetterStore, RejectedRowStore
from cdc.errors import Fatal
from cdc.models import DeadLetter, OutboxRecord
from cdc.wire.records import Outgoing, Record, TopicPartition

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def record(offset: int = 0, key: bytes | None = b'{"id":1}', value: bytes = b"?") -> Record:
    source = TopicPartition("story-events", 0)
    return Record(source=source, offset=offset, key=key, value=value)


def test_a_message_is_stored_once_for_its_group_topic_and_offset() -> None:
    store = DeadLetterStore("group", "default")

    assert store.store(record(), "topic 1", "why")
    assert not store.store(record(), "topic 1", "why")
    assert store.store(record(1), "topic 1", "why")
    assert store.store(record(), "topic 2", "why")
    assert DeadLetterStore("Group", "default").store(record(), "topic 1", "why")

    assert DeadLetter.objects.count() == 4


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00" * 1_000, bytes(range(256)) * 10, b"\xff" * LARGEST_KEPT, b"'\\\"%s{}" * 100],
)
def test_any_bytes_are_stored_unchanged(value: bytes) -> None:
    DeadLetterStore("group", "default").store(record(value=value, key=value), "t", "\0\u202e" * 9)

    letter = DeadLetter.objects.get()
    assert bytes(letter.value or b"") == bytes(letter.key or b"") == value
    assert letter.size == len(value)
    assert letter.reason == r"\x00\u202e" * 9


def test_a_very_long_message_is_cut_and_its_size_recorded() -> None:
    long = b"\0'\\" * 10_000_000

    DeadLetterStore("group", "default").store(record(key=long, value=long), "t", "long " * 10_000)

    letter = DeadLetter.objects.get()
    assert bytes(letter.value or b"") == long[:LARGEST_KEPT]
    assert letter.size == 30_000_000
    assert len(letter.key_text) <= 255
    assert len(letter.reason) < 3_000


def test_the_table_is_recorded_if_the_message_names_one() -> None:
    store = DeadLetterStore("group", "default")
    values = [b'{"source":{"table":"stories_story"}}', b'{"source":{"table":7}}', b"[1]", b"\xff"]
    for offset, value in enumerate(values):
        store.store(record(offset, value=value), "t", "why")

    assert list(DeadLetter.objects.values_list("table", flat=True)) == ["stories_story", "", "", ""]


def test_a_rejected_row_is_stored_once_as_it_was_sent() -> None:
    rejected = OutboxRecord(id=5, topic="story-events", table="stories_story")
    key, value = b'{"id":1}', b"{...}"
    sent = Outgoing(topic=rejected.topic, key=key, value=value, headers=(), timestamp_ms=1)
    store = RejectedRowStore("default")

    store.store(rejected, 7, sent, "too large")
    store.store(rejected, 7, sent, "too large")

    letter = DeadLetter.objects.get()
    assert (letter.group, letter.offset, letter.reason) == (RELAY_GROUP, 5, "too large")
    assert (letter.table, letter.key_text) == ("stories_story", '{"id":1}')
    assert bytes(letter.value or b"") == value


def test_a_rejected_row_of_another_epoch_is_another_letter() -> None:
    store = RejectedRowStore("default")
    sent = Outgoing(topic="t", key=b"k", value=b"v", headers=(), timestamp_ms=1)
    for epoch in (7, 8, 7):
        store.store(OutboxRecord(id=5, topic="t", table="x"), epoch, sent, "too large")

    assert DeadLetter.objects.count() == 2


def test_a_connection_that_the_server_closed_is_reopened() -> None:
    store = DeadLetterStore("group", "default")
    store.store(record(), "t", "why")
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            (number,) = cursor.fetchone()
        other = connection.copy("other connection")
        with other.cursor() as cursor:
            cursor.execute(f"KILL {number:d}")
        other.close()
    else:
        connection.connection.close()

    assert store.store(record(1), "t", "why")


def test_a_message_that_cannot_be_stored_is_fatal() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cdc_dead_letter RENAME TO cdc_dead_letter_away")
    try:
        with pytest.raises(Fatal, match="story-events 0:0 can be neither applied nor stored"):
            DeadLetterStore("group", "default").store(record(), "t", "why")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cdc_dead_letter_away RENAME TO cdc_dead_letter")
