"""In-memory twins of Kafka, MongoDB and the clock, for tests without servers.

One contract suite runs against each twin and the real part.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zlib import crc32

from cdc.conf import TOPIC_NAME
from cdc.errors import Fenced, Retryable
from cdc.mongo.plan import (
    Applied,
    Delivered,
    Document,
    Identity,
    Known,
    Route,
    RowKey,
    StoredPosition,
    Writes,
    history_document,
    keys_of,
    plan,
    written,
)
from cdc.testing.documents import bson_copy, check_unique
from cdc.wire.event import Version
from cdc.wire.records import Outgoing, Record, TopicPartition


@dataclass(slots=True)
class FakeClock:
    """A clock that moves only when `now` is set or `sleep` is called."""

    now: float = 1_000_000.0

    def time(self) -> float:
        """Return seconds since 1970."""
        return self.now

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        self.now += seconds


@dataclass(slots=True)
class MemoryBroker:
    """A broker in memory that is a publisher and a source; each partition's offsets start at 0."""

    partition_count: int = 5
    largest: int = 1_000_000
    """The largest value, in bytes; a record with a larger one is rejected for good."""
    down: bool = False
    logs: dict[TopicPartition, list[Outgoing]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of recreated topics."""

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Append the records and return the reasons for rejected ones, by index."""
        if self.down:
            raise Retryable("The broker in memory is down: set `down` to False.")
        reasons = {index: self._flaw(record) for index, record in enumerate(records)}
        rejected = {index: reason for index, reason in reasons.items() if reason}
        for index, record in enumerate(records):
            if index not in rejected:
                number = crc32(record.key) % self.partition_count
                self.logs.setdefault(TopicPartition(record.topic, number), []).append(record)
        return rejected

    def _flaw(self, record: Outgoing) -> str:
        if not TOPIC_NAME.match(record.topic):
            return f"{record.topic!r} is not a valid topic name."
        if len(record.value or b"") > self.largest:
            return f"The value has more than {self.largest} bytes."
        return ""

    def topic_id(self, topic: str) -> str:
        """Return the topic's id."""
        return self.ids.get(topic, f"id of {topic}")

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether the id of a topic differs from the one in `known`."""
        return any(self.topic_id(topic) != topic_id for topic, topic_id in known.items())

    def recreate(self, topic: str) -> None:
        """Delete a topic and create it again, empty and with another id."""
        self.ids[topic] = f"{self.topic_id(topic)}, recreated"
        for source in [source for source in self.logs if source.topic == topic]:
            del self.logs[source]

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the numbers of the topic's partitions."""
        return tuple(range(self.partition_count))

    def source(self, topic: str) -> "MemorySource":
        """Return a source that is assigned all partitions of `topic`."""
        partitions = {TopicPartition(topic, number) for number in range(self.partition_count)}
        return MemorySource(broker=self, unstarted=partitions)


@dataclass(slots=True, kw_only=True)
class MemorySource:
    """Reads a `MemoryBroker`."""

    broker: MemoryBroker
    unstarted: set[TopicPartition]
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    stored: dict[TopicPartition, int] = field(default_factory=dict)

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records of the started partitions."""
        records: list[Record] = []
        for source, offset in self.offsets.items():
            log = self.broker.logs.get(source, [])[offset : offset + limit - len(records)]
            for number, sent in enumerate(log, offset):
                records.append(Record(source=source, offset=number, key=sent.key, value=sent.value))
            self.offsets[source] = offset + len(log)
        return records

    def waiting(self) -> frozenset[TopicPartition]:
        """Return the assigned partitions that are not fetched yet."""
        return frozenset(self.unstarted)

    def started(self) -> frozenset[TopicPartition]:
        """Return the partitions that are fetched."""
        return frozenset(self.offsets)

    def start(self, source: TopicPartition, offset: int | None) -> None:
        """Fetch a waiting partition from `offset`; None is its first record."""
        self.unstarted.discard(source)
        self.offsets[source] = offset or 0

    def release(self) -> None:
        """Stop fetching; every partition waits for the next `start`."""
        self.unstarted |= self.offsets.keys()
        self.offsets.clear()

    def store(self, positions: Mapping[TopicPartition, int]) -> None:
        """Remember committed offsets."""
        self.stored.update(positions)


@dataclass(slots=True)
class MemoryRows:
    """The database's rows: every key exists except those in `deleted`."""

    deleted: set[Identity] = field(default_factory=set)

    def missing(self, table: str, keys: Sequence[Identity]) -> set[Identity]:
        """Return the `keys` that no row has."""
        return self.deleted & set(keys)


@dataclass(slots=True)
class MemoryStore:
    """The storage that replicas in memory share: collections, history and positions."""

    collections: dict[str, dict[Identity, Document]] = field(default_factory=dict)
    history: dict[tuple[int, int], Document] = field(default_factory=dict)
    owners: dict[TopicPartition, str] = field(default_factory=dict)
    topic_ids: dict[TopicPartition, str] = field(default_factory=dict)
    positions: dict[TopicPartition, int | None] = field(default_factory=dict)
    unique: dict[str, str] = field(default_factory=dict)
    """A field by collection, of which no two documents may hold the same value."""

    def collection(self, name: str) -> dict[Identity, Document]:
        """Return a collection's documents by `_id`."""
        return self.collections.setdefault(name, {})


class MemoryReplica:
    """A replica in memory that follows the rules of the one in MongoDB."""

    def __init__(
        self,
        store: MemoryStore,
        routes: Mapping[str, Route],
        owner: str,
    ) -> None:
        self._store = store
        self._routes = routes
        self._owner = owner
        self._expected: dict[TopicPartition, int | None] = {}

    def take_over(self, source: TopicPartition, topic_id: str) -> StoredPosition:
        """Become the partition's owner and return its position."""
        store = self._store
        recreated = store.topic_ids.get(source, topic_id) != topic_id
        if recreated:
            store.positions[source] = None
        store.owners[source], store.topic_ids[source] = self._owner, topic_id
        self._expected[source] = store.positions.setdefault(source, None)
        return StoredPosition(next_offset=store.positions[source], recreated=recreated)

    def apply(
        self,
        batch: Sequence[Delivered],
        advance: Mapping[TopicPartition, int],
        deleted_rows: Container[RowKey] = (),
    ) -> Applied:
        """Apply a batch and move its partitions to `advance`, together or not at all."""
        store = self._store
        for source in advance:
            expected = (self._owner, self._expected.get(source))
            if (store.owners.get(source), store.positions.get(source)) != expected:
                self.forget()
                raise Fenced("A partition of the batch has another owner or position.")
        planned = plan(batch, self._known(batch), deleted_rows)
        # The history holds everything that the documents hold, so copying it first rejects a bad
        # batch before anything is written.
        now = datetime.now(tz=UTC)
        kept = [each for each in batch if self._routes[each.event.table].history]
        history = [bson_copy(history_document(each, now)) for each in kept]
        for table, writes in planned.writes.items():
            for name in self._routes[table].collections:
                check_unique(store.unique.get(name), name, store.collection(name), writes)
        for table, writes in planned.writes.items():
            self._write(self._routes[table], writes)
        for document in history:
            self._store.history.setdefault(tuple(document["_id"].values()), document)
        self._store.positions.update(advance)
        self._expected.update(advance)
        return Applied(written=written(planned), duplicates=planned.duplicates, stale=planned.stale)

    def check(self, sources: frozenset[TopicPartition]) -> None:
        """Raise Fenced when one of `sources` has an unexpected owner or position."""
        for source in sources:
            held = (self._store.owners.get(source), self._store.positions.get(source))
            if held != (self._owner, self._expected.get(source)):
                raise Fenced(f"Partition {source.partition} was moved or has another owner.")

    def forget(self) -> None:
        """Forget the expected positions."""
        self._expected.clear()

    def _known(self, batch: Sequence[Delivered]) -> dict[RowKey, Known]:
        known: dict[RowKey, Known] = {}
        for table, identities in keys_of(batch).items():
            route = self._routes[table]
            for name in (route.markers, *route.collections):
                for identity in identities:
                    document = self._store.collection(name).get(identity)
                    if document is not None:
                        _learn(known, (table, identity), document, live=name != route.markers)
        return known

    def _write(self, route: Route, writes: Writes) -> None:
        for name in route.collections:
            documents = self._store.collection(name)
            for document in (*writes.inserts, *writes.replaces):
                documents[document["_id"]] = bson_copy(document)
            for key in writes.deletes:
                documents.pop(key, None)
        for marker in writes.markers:
            self._store.collection(route.markers)[marker["_id"]] = marker


def _learn(
    known: dict[RowKey, Known],
    key: RowKey,
    document: Document,
    *,
    live: bool,
) -> None:
    version = Version(document["_epoch"], document["_version"])
    held = known.get(key)
    known[key] = Known(
        version=max(version, held.version) if held else version,
        live=live or (held is not None and held.live),
    )
