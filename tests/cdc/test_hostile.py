"""A thousand hostile messages: each is a dead letter or applied, none stops the consumer."""

import time
from collections.abc import Iterator, Sequence

import pytest

from cdc.conf import CdcSettings
from cdc.consumer import ReplicaConsumer
from cdc.counters import Counters
from cdc.dead_letters import DeadLetterStore
from cdc.limit import RejectionLimit
from cdc.models import DeadLetter
from cdc.mongo.client import connect, database
from cdc.mongo.replica import MongoReplica
from cdc.record import Outgoing
from cdc.testing import (
    FakeClock,
    MemoryBroker,
    MemoryReplica,
    MemoryRows,
    MemorySource,
    MemoryStore,
)
from tests.cdc.builders import COLLECTIONS, ROUTES, change, outgoing
from tests.cdc.hostile import hostile

TOPIC = "story-events"
LAST = 1_000_000
pytestmark = pytest.mark.django_db(transaction=True)


def drain(broker: MemoryBroker, replica: MemoryReplica | MongoReplica) -> MemorySource:
    source = broker.source(TOPIC)
    consumer = ReplicaConsumer(
        source=source,
        topics=broker,
        replica=replica,
        dead_letters=DeadLetterStore("hostile", "default"),
        routes=ROUTES,
        counters=Counters("default", FakeClock()),
        clock=FakeClock(),
        limit=RejectionLimit(most=10_000, among=10_000),
    )
    for _ in range(10):
        consumer.run_once()
    return source


def with_last(messages: Iterator[Outgoing]) -> Sequence[Outgoing]:
    """Add a good change at the end of each partition."""
    good = [outgoing(change("c", LAST + key, LAST + key), TOPIC) for key in range(40)]
    return [*messages, *good]


def assert_all_accounted(source: MemorySource, broker: MemoryBroker, applied: int) -> None:
    ends = {place: len(log) for place, log in broker.logs.items()}
    assert {place: source.stored[place] for place in ends} == ends
    letters = DeadLetter.objects.count()
    assert letters + applied >= sum(ends.values())
    assert letters > 500 * sum(ends.values()) // 1_040
    assert all(DeadLetter.objects.values_list("reason", flat=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_are_dead_letters_or_applied(seed: int) -> None:
    broker, store = MemoryBroker(largest=2**30), MemoryStore()
    broker.publish(with_last(hostile(1_000, seed, TOPIC)), lambda: True)

    source = drain(broker, MemoryReplica(store, ROUTES, "a", rows=MemoryRows()))

    assert_all_accounted(source, broker, 1_040 - DeadLetter.objects.count())
    for name in COLLECTIONS:
        assert {LAST + key for key in range(40)} <= store.collection(name).keys()


@pytest.mark.services
def test_mongodb_takes_or_refuses_each(feed_settings: CdcSettings) -> None:
    broker = MemoryBroker(largest=2**30)
    broker.publish(with_last(hostile(1_000, 3, TOPIC)), lambda: True)
    client = connect(feed_settings)
    replica = MongoReplica(
        client, feed_settings, ROUTES, "a", rows=MemoryRows(), clock=FakeClock(time.time())
    )
    replica.prepare()

    source = drain(broker, replica)

    here = database(client, feed_settings)
    assert_all_accounted(source, broker, 1_040 - DeadLetter.objects.count())
    for name in COLLECTIONS:
        assert here[name].count_documents({"_id": {"$gte": LAST}}) == 40
    client.drop_database(feed_settings.mongodb_database)
    client.close()
