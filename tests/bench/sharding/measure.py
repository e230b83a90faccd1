"""Measures the costs on real servers. Import this module only after Django is set up.

The code of the relay and of the consumer does the work, batch after batch, in this process. While
one step is measured, no other step runs. A cost is the processor time of the client or of the
server. The client's part also includes the shortest wait of a batch of one row. Other programs on
the machine hardly change these values, but they would multiply the durations.
"""

import gc
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from pymongo import MongoClient

from cdc.conf import CdcSettings, cdc_settings
from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.consumer.routes import routes
from cdc.consumer.source_rows import SourceRows, source_epoch
from cdc.dead_letters.store import DeadLetterStore
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from cdc.models import OutboxRecord
from cdc.mongo.client import connect
from cdc.mongo.replica import MongoReplica
from cdc.outbox.batch import BatchReader
from cdc.outbox.finder import Finder
from cdc.outbox.queue import MOST_IDS, OutboxQueue
from cdc.outbox.relay import _outgoing
from cdc.outbox.sweeper import Sweeper
from cdc.registry import registry
from cdc.runtime.clock import SystemClock
from cdc.runtime.counters import Counters
from cdc.wire.records import Record
from project.stack.errors import StackError
from project.up.console import Console
from stories.models import Story
from tests.bench.databases import create
from tests.bench.server_work import Watched, Work
from tests.bench.servers import Started
from tests.bench.sharding.costs import Cost, Costs
from tests.bench.stories import new_story

SIZES = (1, 10, 100, 1_000)
ROUNDS, _WARM_UP = 30, 5
_FETCH_SECONDS = 0.3
"""How long Kafka's client may take to fetch a batch before the consumer asks for it."""
_JOIN_SECONDS = 30.0
_NO_SHARD = "id > 0 AND CRC32(`key`) % 16 = 16"

_LOWEST_SHARE = 0.1
"""The quantile of a step's values that is its cost; disturbances only increase the values."""


class _Samples:
    """The values of all rounds, in microseconds or in round trips."""

    def __init__(self) -> None:
        self._values: dict[str, dict[int, list[float]]] = {}
        self._waits: dict[str, list[float]] = {}

    def add(self, cost: str, size: int, value: float) -> None:
        self._values.setdefault(cost, {}).setdefault(size, []).append(value)

    def add_client(self, cost: str, size: int, work: Work, *, server: str = "") -> None:
        """Add the client's part of a step as `cost`.

        The server's part is added as the cost `server`; if this is empty, it is part of `cost`.
        """
        used = work.client_seconds + (0.0 if server else work.server_seconds)
        self.add(cost, size, used * 1e6)
        if server:
            self.add(server, size, work.server_seconds * 1e6)
        if size == 1:
            self._waits.setdefault(cost, []).append(work.waited * 1e6)

    def typical(self) -> dict[str, dict[int, float]]:
        """Return a value for each cost and number of rows."""
        return {
            cost: {
                size: sorted(values)[int(len(values) * _LOWEST_SHARE)] + self._wait(cost)
                for size, values in by_size.items()
            }
            for cost, by_size in self._values.items()
        }

    def _wait(self, cost: str) -> float:
        return min(self._waits.get(cost, [0.0]))


class _Source(KafkaSource):
    """Kafka's partitions; remembers the size of the last batch."""

    polled = 0

    def poll(self, limit: int, seconds: float) -> list[Record]:
        records = super().poll(limit, seconds)
        self.polled = len(records)
        return records


def measure(servers: Started, database: str, console: Console, rounds: int = ROUNDS) -> Costs:
    """Measure all steps with batches of `SIZES` rows, and return the costs."""
    create(database)
    settings = cdc_settings()
    Topics(settings).ensure(settings.topic)
    found = _Samples()
    with MongoClient[dict[str, Any]](servers.mongod.uri) as client:
        mongodb = Watched(servers.mongod.child.pid, partial(_mongodb_requests, client))
        mysql = Watched(servers.mysql.child.pid, _mysql_requests)
        kafka = Watched(servers.kafka.child.pid, lambda: 0)
        with (
            closing(KafkaPublisher(settings)) as publisher,
            closing(_Source(settings, [settings.topic], "measure")) as source,
        ):
            consumer = _consumer(settings, source)
            _join(consumer, source)
            gc.freeze()  # as the consumer does
            for number in range(_WARM_UP + rounds):
                into = found if number >= _WARM_UP else _Samples()
                for size in SIZES:
                    records = _relay(mysql, kafka, publisher, size, into)
                    _apply(mongodb, consumer, source, records, into)
    values = found.typical()
    _show(console, values)
    return Costs(**{name: Cost.fitted(samples) for name, samples in values.items()})


def _relay(
    mysql: Watched, kafka: Watched, publisher: KafkaPublisher, size: int, found: _Samples
) -> int:
    """Commit changes, and measure the steps of a relay that publishes them.

    Return the number of records.
    """
    with mysql.working() as work:
        Story.objects.bulk_create([new_story() for _ in range(size)])
    found.add("commit", size, work.server_seconds * 1e6)
    clock, outbox = SystemClock(), OutboxQueue(DEFAULT_DB_ALIAS)
    finder = Finder(outbox, Sweeper(outbox, clock), clock)
    finder.start_over((OutboxRecord.objects.values_list("id", flat=True).first() or 1) - 1)
    with mysql.working() as work:
        ids = finder.find()
        rows, _ = BatchReader(outbox, cdc_settings().max_event_bytes).read(ids, lambda: True)
    _require("rows", len(rows), size)
    found.add_client("read", size, work, server="read_database")
    found.add("read_statements", size, work.requests)
    with mysql.working() as work, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM cdc_outbox WHERE {_NO_SHARD} ORDER BY id LIMIT 1000")
    found.add("scan_database", size, work.server_seconds * 1e6)
    with kafka.working() as work:
        records, _ = _outgoing(rows)
        publisher.publish(records, lambda: True)
    found.add_client("produce", size, work)
    _delete(mysql, outbox, rows, found)
    return len(records)


def _delete(
    mysql: Watched, outbox: OutboxQueue, rows: Sequence[OutboxRecord], found: _Samples
) -> None:
    for at in range(0, len(rows), MOST_IDS):
        some = rows[at : at + MOST_IDS]
        with mysql.working() as work:
            outbox.delete([row.id for row in some], some[0].epoch, {row.ts_ms for row in some})
        found.add("delete_database", len(some), work.server_seconds * 1e6)


def _apply(
    mongodb: Watched, consumer: ReplicaConsumer, source: _Source, records: int, found: _Samples
) -> None:
    """Measure one transaction of the consumer, with records that Kafka's client has fetched."""
    time.sleep(_FETCH_SECONDS)
    with mongodb.working() as work:
        consumer.run_once()
    if source.polled == records:
        found.add_client("apply", records, work, server="apply_mongodb")
        found.add("apply_commands", records, work.requests)
    else:  # The client was slow: the batch is applied in parts, and does not count.
        applied = source.polled
        deadline = time.monotonic() + _JOIN_SECONDS
        while applied < records:
            if time.monotonic() > deadline:
                raise StackError(f"Only {applied} of {records} records came from Kafka in time.")
            consumer.run_once()
            applied += source.polled


def _consumer(settings: CdcSettings, source: KafkaSource) -> ReplicaConsumer:
    clock = SystemClock()
    replica = MongoReplica(connect(settings), settings, routes(), "measure", clock=clock)
    replica.prepare()
    rows = SourceRows(registry.by_table(), DEFAULT_DB_ALIAS)
    return ReplicaConsumer(
        source=source,
        topics=Topics(settings),
        replica=replica,
        dead_letters=DeadLetterStore(settings.group, DEFAULT_DB_ALIAS),
        routes=routes(),
        source_epoch=partial(source_epoch, using=DEFAULT_DB_ALIAS),
        old_events=OldEvents(rows, clock, settings.delete_marker_days),
        counters=Counters(DEFAULT_DB_ALIAS, clock),
        clock=clock,
    )


def _join(consumer: ReplicaConsumer, source: KafkaSource) -> None:
    """Poll until the consumer fetches all partitions."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while len(source.started()) < cdc_settings().partitions:
        if time.monotonic() > deadline:
            raise StackError(f"The consumer got no partitions within {_JOIN_SECONDS:.0f} s.")
        consumer.run_once()


def _require(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise StackError(f"{found} {what} instead of {expected}: the measurement is not valid.")


def _show(console: Console, found: dict[str, dict[int, float]]) -> None:
    for cost, samples in found.items():
        line = Cost.fitted(samples)
        parts = (
            f"{size:,}: {value:,.1f} (line {line.of(size):,.1f})" for size, value in samples.items()
        )
        console.show(f"{cost}: {', '.join(parts)}")


def _mysql_requests() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])


def _mongodb_requests(client: MongoClient[dict[str, Any]]) -> int:
    return int(client.admin.command("serverStatus")["network"]["numRequests"])
