"""In-memory twins of Kafka, MongoDB and the clock, for tests without servers.

The same contract tests run against each twin and the real service.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cdc.errors import CdcError, Fenced
from cdc.mongo.apply.same_version import refuse_other_events
from cdc.mongo.history_document import history_document
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
    keys_of,
    plan,
    written,
)
from cdc.testing.broker import MemoryBroker, MemorySource
from cdc.testing.documents import bson_copy, check_unique
from cdc.wire.event import Version
from cdc.wire.records import UNKNOWN_EPOCHS, LeaderEpochs, TopicPartition

__all__ = [
    "FakeClock",
    "MemoryBroker",
    "MemoryReplica",
    "MemoryRows",
    "MemorySource",
    "MemoryStore",
]


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
class MemoryRows:
    """The database's rows: every key exists except those in `deleted`."""

    deleted: set[Identity] = field(default_factory=set)

    def missing(self, table: str, keys: Sequence[Identity]) -> set[Identity]:
        """Return the `keys` that no row has."""
        return self.deleted & set(keys)


@dataclass(slots=True)
class MemoryStore:
    """The storage of in-memory replicas: collections, history and positions."""

    collections: dict[str, dict[Identity, Document]] = field(default_factory=dict)
    history: dict[tuple[int, int], Document] = field(default_factory=dict)
    owners: dict[TopicPartition, str] = field(default_factory=dict)
    topic_ids: dict[TopicPartition, str] = field(default_factory=dict)
    positions: dict[TopicPartition, int | None] = field(default_factory=dict)
    leader_epochs: dict[TopicPartition, int | None] = field(default_factory=dict)
    gaps: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    """The offsets at which each open gap begins and at which reading resumed."""
    unique: dict[str, str] = field(default_factory=dict)
    """For each collection, a field that must have a different value in each document."""

    def collection(self, name: str) -> dict[Identity, Document]:
        """Return a collection's documents by `_id`."""
        return self.collections.setdefault(name, {})


class MemoryReplica:
    """An in-memory replica that follows the rules of the replica in MongoDB."""

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
        """Take over the partition and return the partition's position."""
        store = self._store
        recreated = store.topic_ids.get(source, topic_id) != topic_id
        if recreated:
            self._resume(source, None)
        store.owners[source], store.topic_ids[source] = self._owner, topic_id
        self._expected[source] = store.positions.setdefault(source, None)
        return StoredPosition(
            next_offset=store.positions[source],
            recreated=recreated,
            leader_epoch=store.leader_epochs.get(source),
        )

    def record_gap(self, source: TopicPartition, resume_at: int) -> StoredPosition:
        """Move the position to `resume_at`; if there was a position before, also store the gap."""
        self._fence(source)
        self._resume(source, resume_at)
        self._expected[source] = resume_at
        return StoredPosition(next_offset=resume_at, recreated=False)

    def apply(
        self,
        batch: Sequence[Delivered],
        advance: Mapping[TopicPartition, int],
        deleted_rows: Container[RowKey] = (),
        leader_epochs: LeaderEpochs = UNKNOWN_EPOCHS,
    ) -> Applied:
        """Apply a batch and move the positions to `advance`, together or not at all.

        After an error, the caller must take over the partitions again.
        """
        try:
            self.before(batch)
            return self._apply(batch, advance, deleted_rows, leader_epochs)
        except CdcError:
            self.forget()
            raise

    def before(self, batch: Sequence[Delivered]) -> None:
        """Do nothing. A test can override this method to raise an error for a batch."""

    def _apply(
        self,
        batch: Sequence[Delivered],
        advance: Mapping[TopicPartition, int],
        deleted_rows: Container[RowKey],
        leader_epochs: LeaderEpochs,
    ) -> Applied:
        store = self._store
        for source in advance:
            self._fence(source)
        planned = plan(batch, self._known(keys_of(batch)), deleted_rows)
        # The history contains all values of the documents. Copying it first rejects a bad batch
        # before anything is written.
        now = datetime.now(tz=UTC)
        kept = [each for each in batch if self._routes[each.event.table].history]
        versions = {(each.event.version.epoch, each.event.version.outbox_id) for each in kept}
        past = self._store.history
        refuse_other_events(kept, [past[version] for version in versions & past.keys()], planned)
        history = [bson_copy(history_document(each, now)) for each in kept]
        for table, writes in planned.writes.items():
            for name in self._routes[table].collections:
                check_unique(store.unique.get(name), name, store.collection(name), writes)
        for table, writes in planned.writes.items():
            self._write(self._routes[table], writes)
        for document in history:
            self._store.history.setdefault(tuple(document["_id"].values()), document)
        self._store.positions.update(advance)
        self._store.leader_epochs.update({each: leader_epochs.get(each) for each in advance})
        self._expected.update(advance)
        return Applied(written=written(planned), duplicates=planned.duplicates, stale=planned.stale)

    def version(self, table: str, key: Identity) -> Version | None:
        """Return the version of a row's document or delete marker, whichever is higher."""
        held = self._known({table: [bson_copy(key)]}).get((table, key))
        return held.version if held else None

    def check(self, sources: frozenset[TopicPartition]) -> None:
        """Raise Fenced if one of `sources` has an unexpected owner or position."""
        for source in sources:
            held = (self._store.owners.get(source), self._store.positions.get(source))
            if held != (self._owner, self._expected.get(source)):
                raise Fenced(
                    f"Another consumer took over partition {source.partition} of {source.topic}, "
                    "or the position of this partition was moved."
                )

    def forget(self) -> None:
        """Forget the expected positions."""
        self._expected.clear()

    def _fence(self, source: TopicPartition) -> None:
        expected = (self._owner, self._expected.get(source))
        if (self._store.owners.get(source), self._store.positions.get(source)) != expected:
            raise Fenced(
                f"Another consumer took over partition {source.partition} of {source.topic}, "
                "or the position of this partition was moved."
            )

    def _resume(self, source: TopicPartition, resume_at: int | None) -> None:
        lost_from = self._store.positions.get(source)
        if lost_from is not None:
            begin, end = self._store.gaps.get(source, (lost_from, 0))
            self._store.gaps[source] = (min(begin, lost_from), max(end, resume_at or 0))
        self._store.positions[source] = resume_at
        self._store.leader_epochs[source] = None

    def _known(self, keys: Mapping[str, list[Identity]]) -> dict[RowKey, Known]:
        known: dict[RowKey, Known] = {}
        for table, identities in keys.items():
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
