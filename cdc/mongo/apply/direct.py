"""Applies a batch of new changes without reading the replica first.

Almost every batch consists of new changes of different rows. Their writes need no lookup: the
writes have conditions, such as an older version, and MongoDB reports how many documents met them.
If a document does not meet its conditions, the transaction is rolled back, and the batch is applied
with a lookup.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from cdc.errors import Rejected
from cdc.mongo.apply import encoded
from cdc.mongo.plan import Delivered, Document, Route, RowKey, marker
from cdc.runtime import fault_points
from cdc.wire.event import ChangeEvent, Operation, Version

_MOST_CONDITIONS = 16
"""The maximum number of updates, or of replaced markers, that each contain their own condition.

A condition besides `_id` makes a write slower. If there are more writes, their conditions are
checked together, before the writes.
"""
_MOST_BYTES = 16_000_000
"""The maximum size of a direct batch: MongoDB accepts commands of up to 48 MB, and a transaction
must fit into MongoDB's cache."""
_NEW = frozenset({Operation.CREATE, Operation.READ})
"""The operations whose rows are expected to be new, as in the first snapshot of a table."""


class Unexpected(Exception):
    """The replica was not in the state that a batch of new changes expects."""


@dataclass(slots=True, kw_only=True)
class _Table:
    """The changes of one table, by operation."""

    creates: list[Delivered] = field(default_factory=list)
    updates: list[Delivered] = field(default_factory=list)
    deletes: list[Delivered] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statements:
    """The statements for one table, and the encoded documents."""

    deletes: list[Document]
    deleted: int
    """The number of documents that `deletes` must delete."""
    updates: list[Document]
    updated: list[Document]
    """Conditions that the documents must meet before `updates` are written."""
    inserts: list[RawBSONDocument]
    markers: list[Document]
    """The updates of the markers of deleted rows."""
    marked: list[Document]
    """Conditions that existing markers must meet before `markers` are written."""
    new_markers: list[Document]


@dataclass(slots=True, kw_only=True)
class DirectBatch:
    """The encoded writes of a batch."""

    tables: dict[str, _Statements]
    history: list[RawBSONDocument]
    written: int


def direct_batch(
    batch: Sequence[Delivered],
    routes: Mapping[str, Route],
    deleted_rows: Container[RowKey],
    now: datetime | None,
) -> DirectBatch | None:
    """Return the encoded writes of a batch, or None if the batch needs a lookup.

    `now` is the time of the history documents. If it is None, there is no history.
    """
    if not _may_be_direct(batch, deleted_rows):
        return None
    try:
        tables = {table: _statements(changes) for table, changes in _by_table(batch).items()}
        history = _history(batch, routes, now) if now is not None else []
    except (BSONError, OverflowError, RecursionError, Rejected):
        # The batch cannot be encoded. Applying it with a lookup raises Rejected, and the consumer
        # then finds the invalid change.
        return None
    if sum(len(each) for delivered in batch for each in delivered.encoded.values()) > _MOST_BYTES:
        return None
    return DirectBatch(tables=tables, history=history, written=len(batch))


def _may_be_direct(batch: Sequence[Delivered], deleted_rows: Container[RowKey]) -> bool:
    rows = {(each.event.table, each.event.key) for each in batch}
    versions = {each.event.version for each in batch}
    return (
        0 < len(batch) == len(rows) == len(versions)
        and not any(each.tombstone for each in batch)
        and not any(row in deleted_rows for row in rows)
    )


def _by_table(batch: Iterable[Delivered]) -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    for each in batch:
        table = tables.setdefault(each.event.table, _Table())
        if each.event.op in _NEW:
            table.creates.append(each)
        elif each.event.op is Operation.UPDATE:
            table.updates.append(each)
        else:
            table.deletes.append(each)
    return tables


def _statements(table: _Table) -> _Statements:
    updated, of_updates = _conditions(table.updates)
    marked, of_markers = _conditions(table.deletes)
    return _Statements(
        deletes=[{"q": each, "limit": 0} for each in _together(table.deletes)],
        deleted=len(table.deletes),
        updates=[
            {"q": condition, "u": _document(each)}
            for condition, each in zip(of_updates, table.updates, strict=True)
        ],
        updated=updated,
        inserts=[_document(each) for each in table.creates],
        # A marker that is not older than the delete does not meet the condition. The upsert then
        # fails, because it would insert a second document with this key.
        markers=[
            {"q": condition, "u": marker(each.event), "upsert": True}
            for condition, each in zip(of_markers, table.deletes, strict=True)
        ],
        marked=marked,
        new_markers=[marker(each.event) for each in table.creates],
    )


def _conditions(changes: Sequence[Delivered]) -> tuple[list[Document], list[Document]]:
    """Return the conditions to check before the writes, and the condition of each write."""
    if len(changes) <= _MOST_CONDITIONS:
        return [], [older(each.event.key, each.event.version) for each in changes]
    return _together(changes), [{"_id": each.event.key} for each in changes]


def _together(changes: Iterable[Delivered]) -> list[Document]:
    """Return one condition for each group of changes with the same partition and epoch.

    The condition is that the group's documents have this epoch and are older than every change of
    the group. Kafka keeps the order within a partition, so this condition is usually met.
    """
    groups: dict[Any, list[ChangeEvent]] = {}
    for each in changes:
        groups.setdefault((each.source, each.event.version.epoch), []).append(each.event)
    return [
        older({"$in": [event.key for event in group]}, min(event.version for event in group))
        for group in groups.values()
    ]


def older(key: Any, version: Version) -> Document:
    """Return the condition that a document has `version`'s epoch and a lower outbox id."""
    return {"_id": key, "_epoch": version.epoch, "_version": {"$lt": version.outbox_id}}


def _history(
    batch: Iterable[Delivered], routes: Mapping[str, Route], now: datetime
) -> list[RawBSONDocument]:
    applied_at = encoded.time_of(now)
    kept = (each for each in batch if routes[each.event.table].history)
    return [encoded.applied(each, applied_at) for each in kept]


def _document(delivered: Delivered) -> RawBSONDocument:
    return RawBSONDocument(encoded.document(delivered))


class DirectWriter:
    """Writes a direct batch in the session's transaction."""

    def __init__(self, db: Database[Document], routes: Mapping[str, Route], history: str) -> None:
        self._db = db
        self._routes = routes
        self._history = history

    def write(self, batch: DirectBatch, session: ClientSession) -> None:
        """Write the documents, the markers and the history.

        Raise Unexpected if a document did not meet its condition; the transaction must then be
        rolled back.
        """
        for name, table in batch.tables.items():
            route = self._routes[name]
            for collection in route.collections:
                self._require(collection, table.updated, len(table.updates), session)
                # Deletes first, because they free unique values.
                self._run("delete", collection, "deletes", table.deletes, table.deleted, session)
                self._update(collection, table.updates, session)
                self._insert(collection, table.inserts, session)
            newer = [{"_id": each["_id"], "$nor": [each]} for each in table.marked]
            self._require(route.markers, newer, 0, session)
            self._update(route.markers, table.markers, session)
            # A row that was deleted before has a marker: the insert then fails.
            self._insert(route.markers, table.new_markers, session)
        fault_points.reach(fault_points.REPLICA_DIRECT)
        self._insert(self._history, batch.history, session)

    def _require(
        self,
        collection: str,
        conditions: Sequence[Mapping[str, Any]],
        expected: int,
        session: ClientSession,
    ) -> None:
        """Raise Unexpected unless exactly `expected` documents meet one of the conditions."""
        if not conditions:
            return
        pipeline = [{"$match": {"$or": conditions}}, {"$count": "n"}]
        answer = self._db.command(
            {"aggregate": collection, "pipeline": pipeline, "cursor": {}}, session=session
        )
        if sum(each["n"] for each in answer["cursor"]["firstBatch"]) != expected:
            raise Unexpected

    def _update(
        self, collection: str, statements: Sequence[Mapping[str, Any]], session: ClientSession
    ) -> None:
        self._run("update", collection, "updates", statements, len(statements), session)

    def _insert(
        self, collection: str, documents: Sequence[Mapping[str, Any]], session: ClientSession
    ) -> None:
        self._run("insert", collection, "documents", documents, len(documents), session)

    def _run(
        self,
        command: str,
        collection: str,
        kind: str,
        statements: Sequence[Mapping[str, Any]],
        expected: int,
        session: ClientSession,
    ) -> None:
        if not statements:
            return
        answer = self._db.command(
            {command: collection, kind: statements, "ordered": True}, session=session
        )
        if answer.get("writeErrors") or answer["n"] != expected:
            raise Unexpected
