"""The whole pipeline in memory, for tests of code that writes captured models.

The relay and the consumer are the real ones, and the outbox is a table of the test database. Only
Kafka and MongoDB are replaced by twins.
"""

from functools import partial

from django.db import DEFAULT_DB_ALIAS

from cdc.capture.resend import send_again
from cdc.conf import cdc_settings
from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.consumer.routes import routes
from cdc.consumer.source_rows import SourceRows, source_epoch
from cdc.dead_letters.store import DeadLetterStore, RejectedRowStore
from cdc.mongo.plan import Document, Identity
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import Relay
from cdc.outbox.sweeper import Sweeper
from cdc.outbox.table import Entry
from cdc.registry import registry, topic_names
from cdc.runtime.counters import Counters
from cdc.testing.twins import FakeClock, MemoryBroker, MemoryReplica, MemoryStore
from cdc.wire.event import ChangeEvent
from cdc.wire.message import encode, encode_key, encode_row
from cdc.wire.records import Outgoing

_GROUP = "testing"


class MemoryFeed:
    """Replicates committed changes to in-memory collections when `run` is called.

    The test needs transactions that commit: use `TransactionTestCase` or
    `@pytest.mark.django_db(transaction=True)`.
    """

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self.broker = MemoryBroker()
        self.store = MemoryStore()
        self.clock = FakeClock()
        self._using = using
        outbox = OutboxQueue(using)
        self._sweeper = Sweeper(outbox, self.clock)
        self._relay = Relay(
            outbox=outbox,
            sweeper=self._sweeper,
            publisher=self.broker,
            dead_letters=RejectedRowStore(using),
            owner=_GROUP,
            send_again=partial(send_again, using=using),
            clock=self.clock,
            counters=Counters(using, self.clock),
            stopping=lambda: False,
        )
        self._consumers = [self._consumer(topic) for topic in topic_names()]

    def run(self) -> None:
        """Publish every row of the outbox, then apply every record of the broker.

        Raise Retryable while `broker.down` is true, as the relay does; the rows stay in the outbox.
        """
        # Advance the clock past any backoff of the last call.
        self.clock.sleep(1.0)
        while self._relay.run_once():
            pass
        while self._sweeper.run_once():
            pass
        while self._has_unread_records():
            for consumer in self._consumers:
                consumer.run_once()

    def documents(self, collection: str) -> dict[Identity, Document]:
        """Return the documents of a replica collection by `_id`."""
        return self.store.collection(collection)

    def _has_unread_records(self) -> bool:
        positions = self.store.positions
        return any(len(log) > (positions.get(at) or 0) for at, log in self.broker.logs.items())

    def _consumer(self, topic: str) -> ReplicaConsumer:
        rows = SourceRows(registry.by_table(), self._using)
        days = cdc_settings().delete_marker_days
        return ReplicaConsumer(
            source=self.broker.source(topic),
            topics=self.broker,
            replica=MemoryReplica(self.store, routes(), _GROUP),
            dead_letters=DeadLetterStore(_GROUP, self._using),
            routes=routes(),
            source_epoch=partial(source_epoch, using=self._using),
            old_events=OldEvents(rows, self.clock, days),
            counters=Counters(self._using, self.clock),
            clock=self.clock,
        )


def record_of(event: ChangeEvent, topic: str) -> Outgoing:
    """Return the record of `event`, as the relay publishes it."""
    change = Entry(
        topic=topic,
        key=encode_key(event.key_column, event.key),
        op=event.op.value,
        before=encode_row(event.before),
        after=encode_row(event.after),
        ts_ms=event.ts_ms,
        db=event.db,
        table=event.table,
        user=event.user,
        traceparent="",
    )
    return encode(change, event.version, cdc_settings().connector)[0]


def records(broker: MemoryBroker) -> list[Outgoing]:
    """Return every record of a broker in the order of the outbox rows."""
    found = [record for log in broker.logs.values() for record in log]
    return sorted(found, key=lambda record: int(dict(record.headers)["outbox_id"]))
