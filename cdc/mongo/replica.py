"""Writes a batch, its history and its positions to the replica in one transaction."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from cdc.conf import CdcSettings
from cdc.errors import CdcError
from cdc.mongo.apply.direct import DirectWriter, Unexpected, direct_batch
from cdc.mongo.apply.known import KnownVersions
from cdc.mongo.apply.owned_positions import OwnedPositions
from cdc.mongo.apply.reuse import ReusedVersions
from cdc.mongo.apply.writes import (
    add_history,
    history_operations,
    marker_operations,
    replica_operations,
    write,
)
from cdc.mongo.client import (
    database,
    reaching,
    require_plain_collections,
    require_transactions,
    transaction,
)
from cdc.mongo.columns import DocumentColumns
from cdc.mongo.conflicts import conflict_of
from cdc.mongo.plan import (
    Applied,
    Delivered,
    Document,
    Identity,
    Plan,
    Route,
    RowKey,
    StoredPosition,
    lacking,
    plan,
    written,
)
from cdc.mongo.reports.indexes import ensure_indexes, expire_after
from cdc.runtime import fault_points
from cdc.runtime.clock import Clock
from cdc.wire.event import Version
from cdc.wire.records import UNKNOWN_EPOCHS, LeaderEpochs, TopicPartition

_DAY_SECONDS = 86_400
_CAREFUL_BATCHES = 16
"""The number of batches that are applied with a lookup after a direct batch has failed.

During a replay, for example, most direct batches would fail.
"""


@dataclass(frozen=True, slots=True)
class _Work:
    """The arguments of `MongoReplica.apply`."""

    batch: Sequence[Delivered]
    advance: Mapping[TopicPartition, int]
    deleted_rows: Container[RowKey]
    leader_epochs: LeaderEpochs


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How a batch is written after its lookup."""

    apart: bool = False
    """Whether all old documents are deleted before new documents are written."""
    past: bool = False
    """Whether the history may already have some of the events."""


class MongoReplica:
    """Applies each batch exactly once.

    The transaction that writes the documents of a batch also moves the positions.
    """

    def __init__(
        self,
        client: MongoClient[Document],
        settings: CdcSettings,
        routes: Mapping[str, Route],
        owner: str,
        *,
        clock: Clock,
    ) -> None:
        self._client = client
        self._settings = settings
        self._routes = routes
        self._clock = clock
        self._session: ClientSession | None = None
        self._db = database(client, settings)
        self._positions = self._db[settings.positions_collection]
        self._owned = OwnedPositions(self._positions, settings.group, owner)
        self._history = self._db[settings.history_collection]
        self._columns = DocumentColumns(client, settings)
        self._known = KnownVersions(self._db, routes)
        self._reused = ReusedVersions(self._db, settings.history_collection, routes)
        self._direct = DirectWriter(self._db, routes, settings.history_collection)
        self._careful_batches = 0

    def prepare(self) -> None:
        """Create missing collections and indexes.

        Raise Misconfigured if the server has no transactions, or if the replica cannot use an
        existing collection.
        """
        require_transactions(self._client, self._settings.mongodb_uri)
        with reaching():
            existing = set(self._db.list_collection_names())
            wanted = {self._positions.name, self._history.name}
            for route in self._routes.values():
                wanted |= {*route.collections, route.markers}
            for name in sorted(wanted - existing):
                self._db.create_collection(name, check_exists=False)
            require_plain_collections(self._db, wanted)
            expire_after(self._history, self._settings.history_days * _DAY_SECONDS)
            for route in self._routes.values():
                marker_seconds = self._settings.delete_marker_days * _DAY_SECONDS
                expire_after(self._db[route.markers], marker_seconds)
                ensure_indexes(self._db[route.collections[0]], route.indexes)

    def take_over(self, source: TopicPartition, topic_id: str) -> StoredPosition:
        """Take over the partition and return the partition's position."""
        with reaching():
            return self._owned.take_over(source, topic_id, self._open_session())

    def record_gap(self, source: TopicPartition, resume_at: int) -> StoredPosition:
        """Move the position to `resume_at`. If there was a position before, also store the gap.

        Raise Fenced if another consumer took over the partition, or the position was moved.
        """
        with reaching():
            return self._owned.record_gap(source, resume_at)

    def apply(
        self,
        batch: Sequence[Delivered],
        advance: Mapping[TopicPartition, int],
        deleted_rows: Container[RowKey] = (),
        leader_epochs: LeaderEpochs = UNKNOWN_EPOCHS,
    ) -> Applied:
        """Apply a batch and move the positions to `advance`, in one transaction.

        `deleted_rows` are rows that the database no longer has. `leader_epochs` contains, for each
        partition, the leader epoch of the partition's last record in the batch.

        Raise Fenced if another consumer took over a partition or the partition's position was
        moved, Rejected if MongoDB refuses a document, and Retryable for any other failure. After
        each of these errors, the caller must take over the partitions again.
        """
        work = _Work(batch, advance, deleted_rows, leader_epochs)
        incomplete = lacking(batch, self._routes)
        self._forget_columns(incomplete)
        try:
            with reaching():
                applied = self._apply_directly(work) or self._apply_looked_up(work)
        except CdcError:
            self.forget()
            raise
        self._owned.expect(advance)
        self._forget_columns(incomplete)
        return applied

    def _apply_directly(self, work: _Work) -> Applied | None:
        """Apply a batch of new changes without a lookup; return None if it needs a lookup."""
        if self._careful_batches:
            self._careful_batches -= 1
            return None
        now = self._now() if self._settings.history_days else None
        direct = direct_batch(work.batch, self._routes, work.deleted_rows, now)
        if direct is None:
            return None
        try:
            with self._transaction(work) as session:
                self._direct.write(direct, session)
        except Unexpected:
            self._careful_batches = _CAREFUL_BATCHES
            return None
        return Applied(written=direct.written, duplicates=0, stale=0)

    def _apply_looked_up(self, work: _Work) -> Applied:
        """Look up the versions and apply a batch; if that fails, retry with a different `_How`."""
        how = _How()
        while True:
            try:
                with self._transaction(work) as session:
                    known = self._known.of_batch(work.batch, session)
                    planned = plan(work.batch, known, work.deleted_rows)
                    self._write(planned, work.batch, session, how)
            except Unexpected:
                how = replace(how, past=True)
            except BulkWriteError as error:
                if how.apart or conflict_of(error) is None:
                    raise
                how = replace(how, apart=True)
            else:
                return Applied(
                    written=written(planned), duplicates=planned.duplicates, stale=planned.stale
                )

    @contextmanager
    def _transaction(self, work: _Work) -> Iterator[ClientSession]:
        """Run the block in the transaction that moves the positions."""
        session = self._open_session()
        with transaction(session):
            self._owned.advance(work.advance, work.leader_epochs, session)
            fault_points.reach(fault_points.REPLICA_MOVED)
            yield session
            fault_points.reach(fault_points.REPLICA_WRITTEN)

    def _forget_columns(self, incomplete: Mapping[str, Iterable[str]]) -> None:
        """Remove from the record of complete columns those that documents of a batch lack.

        This method is called before the transaction, because the process may end after the commit.
        It is called again after the transaction, because another process may have searched the
        documents before the commit, and recorded the columns as complete.
        """
        for table, names in incomplete.items():
            self._columns.forget(table, names)

    def version(self, table: str, key: Identity) -> Version | None:
        """Return the highest version of a row's documents and delete marker, or None."""
        with reaching():
            held = self._known.of({table: [key]}).get((table, key))
        return held.version if held else None

    def check(self, sources: frozenset[TopicPartition]) -> None:
        """Raise Fenced if a partition in `sources` was taken over or its position was moved."""
        with reaching():
            self._owned.check(sources)

    def forget(self) -> None:
        """End the session and forget the expected positions."""
        self._owned.forget()
        if self._session is not None:
            self._session.end_session()
            self._session = None

    def _write(
        self, planned: Plan, batch: Sequence[Delivered], session: ClientSession, how: _How
    ) -> None:
        for table, writes in planned.writes.items():
            route = self._routes[table]
            for name in route.collections:
                write(self._db[name], replica_operations(writes, apart=how.apart), session)
            write(self._db[route.markers], marker_operations(writes), session)
        kept = [each for each in batch if self._routes[each.event.table].history]
        if not (kept and self._settings.history_days):
            if planned.duplicates:
                self._reused.check_documents(batch, session)
        elif how.past or planned.duplicates or planned.stale:
            added = write(self._history, history_operations(kept, self._now()), session)
            if added is not None:
                self._reused.check_history(kept, planned, added, session)
        else:
            add_history(self._history, kept, self._now(), session)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), tz=UTC)

    def _open_session(self) -> ClientSession:
        if self._session is None:
            self._session = self._client.start_session(causal_consistency=False)
        return self._session
