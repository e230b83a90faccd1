"""A hostile message is applied or becomes a dead letter, and never stops the consumer."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest

from cdc.conf import CdcSettings
from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.consumer.rejection_limit import RejectionLimit
from cdc.consumer.source_rows import source_epoch
from cdc.dead_letters.store import DeadLetterStore
from cdc.models import DeadLetter
from cdc.mongo.client import connect, database
from cdc.mongo.replica import MongoReplica
from cdc.runtime.counters import Counters
from cdc.testing.twins import (
    FakeClock,
    MemoryBroker,
    MemoryReplica,
    MemoryRows,
    MemorySource,
    MemoryStore,
)
from cdc.wire.records import Outgoing
from tests.support.builders import COLLECTIONS, ROUTES, change, outgoing
from tests.support.hostile import hostile

TOPIC = "story-events"
LAST = 1_000_000
GOOD = 40
pytestmark = pytest.mark.django_db(transaction=True)


def drain(broker: MemoryBroker, replica: MemoryReplica | MongoReplica) -> MemorySource:
    source = broker.source(TOPIC)
    consumer = ReplicaConsumer(
        source=source,
        topics=broker,
        replica=replica,
        dead_letters=DeadLetterStore("hostile", "default"),
        routes=ROUTES,
        source_epoch=partial(source_epoch, using="default"),
        old_events=OldEvents(MemoryRows(), FakeClock(), 7),
        counters=Counters("default", FakeClock()),
        clock=FakeClock(),
        limit=RejectionLimit(maximum=10_000, window=10_000),
    )
    for _ in range(10):
        consumer.run_once()
    return source


def with_last(messages: Iterator[Outgoing]) -> Sequence[Outgoing]:
    """Append valid changes, so that each partition ends with a valid change."""
    good = [outgoing(change("c", LAST + key, LAST + key), TOPIC) for key in range(GOOD)]
    return [*messages, *good]


def assert_all_accounted(reader: MemorySource, broker: MemoryBroker, applied: int) -> None:
    ends = {source: len(log) for source, log in broker.logs.items()}
    assert {source: reader.stored[source] for source in ends} == ends
    letters = DeadLetter.objects.count()
    assert letters + applied >= sum(ends.values())
    assert letters > (sum(ends.values()) - GOOD) // 2
    assert all(DeadLetter.objects.values_list("reason", flat=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_messages_are_applied_or_dead_letters(seed: int) -> None:
    broker, store = MemoryBroker(largest=2**30), MemoryStore()
    count = 300
    broker.publish(with_last(hostile(count, seed, TOPIC)), lambda: True)

    source = drain(broker, MemoryReplica(store, ROUTES, "a"))

    assert_all_accounted(source, broker, count + GOOD - DeadLetter.objects.count())
    for name in COLLECTIONS:
        assert {LAST + key for key in range(GOOD)} <= store.collection(name).keys()


@pytest.fixture
def replica(feed_settings: CdcSettings) -> Iterator[MongoReplica]:
    client = connect(feed_settings)
    clock = FakeClock(time.time())
    replica = MongoReplica(client, feed_settings, ROUTES, "a", clock=clock)
    replica.prepare()
    yield replica
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def with_columns(**columns: object) -> bytes:
    envelope = json.loads(outgoing(change("c", 1, 1), TOPIC).value or b"")
    envelope["after"].update(columns)
    return json.dumps(envelope).encode()


@pytest.mark.services
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\x00", "The value is not JSON"),
        (b'{"event":"login","user":7}', "source is not a JSON object"),
        (with_columns().replace(b'"op": "c"', b'"op": "x"'), "op is 'x', not one of c, u, d, r."),
        (with_columns(diggs="many"), "Column diggs contains 'many', not a 64-bit integer."),
        (with_columns(title=7), "Column title contains 7, not text."),
        (with_columns(description="x" * 17_000_000), "MongoDB refuses the document"),
        (with_columns(user={"a\0b": 1}), "Column user has NUL in the key"),
        (with_columns(unknown={"a\0b": 1}), "MongoDB cannot store the document"),
        (
            with_columns().replace(b'[\\"1\\"', b'[\\"9000000000000000000\\"'),
            "The message has epoch 9",
        ),
        (with_columns(diggs=2**63), "Column diggs contains 9223372036854775808"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_each_kind_of_bad_message_is_a_dead_letter_with_its_reason(
    replica: MongoReplica, value: bytes, reason: str
) -> None:
    broker = MemoryBroker(largest=2**30)
    good = outgoing(change("u", 1, 2), TOPIC)
    broker.publish([replace(good, value=value), good], lambda: True)

    source = drain(broker, replica)

    assert DeadLetter.objects.get().reason.startswith(reason)
    assert set(source.stored.values()) == {2}


@pytest.mark.services
def test_mongodb_accepts_or_rejects_each_message(
    replica: MongoReplica, feed_settings: CdcSettings
) -> None:
    broker = MemoryBroker(largest=2**30)
    broker.publish(with_last(hostile(1_000, 3, TOPIC)), lambda: True)

    source = drain(broker, replica)

    client = connect(feed_settings)
    replicas = database(client, feed_settings)
    assert_all_accounted(source, broker, 1_000 + GOOD - DeadLetter.objects.count())
    for name in COLLECTIONS:
        assert replicas[name].count_documents({"_id": {"$gte": LAST}}) == GOOD
    client.close()
