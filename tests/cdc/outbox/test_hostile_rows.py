"""A hostile outbox row is published or becomes a dead letter, and never stops the relay."""

import random
from collections.abc import Iterator

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.tail import KafkaTail
from cdc.models import DeadLetter, OutboxRecord
from tests.cdc.outbox.test_relay import relay, story
from tests.support.commands import retried
from tests.support.topics import create_topic

pytestmark = [
    pytest.mark.services,
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
]
ROWS = 300
MOST_BATCHES = 10
_LONGS = (0, 1, -1, 1_764_000_000_000, 2**63 - 1, -(2**63))
_TEXTS = ("", "a", "\0", "\n\r\x1b[0m", "\u202e\ud7ff\U0001f418", "x" * 255, '{"id":1}', "'\"\\")
_BYTES = (None, b"", b"{}", b"null", b'{"id":1}', b'},"op":"d",{', b"\xff\xfe", b"[" * 5_000)


def hostile_rows(seed: int, topic: str) -> Iterator[OutboxRecord]:
    """Yield rows that capture would never write. They are the same for the same seed."""
    chance = random.Random(seed)
    topics = (topic, topic, f"{topic}-missing", "", ".", "no topic!", "x" * 249, "\0")

    def text(length: int = 255) -> str:
        return chance.choice(_TEXTS)[:length]

    for _ in range(ROWS):
        yield OutboxRecord(
            epoch=chance.choice(_LONGS),
            topic=chance.choice(topics),
            key=text(),
            op=chance.choice(["c", "u", "d", "r", "x", "", "\0"]),
            before=chance.choice([*_BYTES, chance.randbytes(50)]),
            after=chance.choice([*_BYTES, chance.randbytes(50)]),
            ts_ms=chance.choice(_LONGS),
            db=text(),
            table=text(),
            user=text(),
            traceparent=text(55),
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_each_is_published_or_becomes_a_dead_letter(seed: int, feed_settings: CdcSettings) -> None:
    topic = feed_settings.topic
    create_topic(feed_settings)
    rows = list(hostile_rows(seed, topic))
    OutboxRecord.objects.bulk_create(rows)
    story()
    publisher = KafkaPublisher(feed_settings)
    worker = relay(publisher)
    for _ in range(MOST_BATCHES):
        try:
            worker.run_once()
        except Retryable:  # Kafka is creating a missing topic
            continue
        if not OutboxRecord.objects.exists():
            break
    publisher.close()
    assert not OutboxRecord.objects.exists()
    refused = [row for row in rows if row.topic in {"", ".", "no topic!", "\0"}]
    assert DeadLetter.objects.count() == len(refused)
    published = sum(1 + (row.op == "d") for row in rows if row.topic == topic)
    tail = KafkaTail(feed_settings)
    # There are more records if a batch was sent again because one of its topics was missing.
    assert sum(retried(tail.bounds).end) >= published
    tail.close()
