"""Applies a small batch without reading the replica first.

Almost every batch of a live feed consists of new changes of different rows. Their writes need no
look-up: each write has a condition, such as an older version, and MongoDB reports how many
documents met it. If one document did not, the transaction is rolled back, and the batch is applied
with a look-up.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from cdc.errors import Rejected
from cdc.mongo.plan import Delivered, Document, Route, RowKey, history_document, marker
from cdc.runtime import fault_points
from cdc.wire.event import Operation

LARGEST_BATCH = 64
_MOST_CONDITIONS = 16
"""The maximum number of updates and deletes in a batch.

A condition besides `_id` makes each of them slower. With more of them, a look-up is faster.
"""
_MOST_BYTES = 4_000_000
"""A command can have up to 16 MB, and a transaction must fit into MongoDB's cache."""
_OPERATIONS = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})


class Unexpected(Exception):
    """The replica was not in the state that a batch of new changes expects."""


@dataclass(slots=True, kw_only=True)
class _Table:
    """The statements of one table, and the encoded documents."""

    deletes: list[Document] = field(default_factory=list)
    updates: list[Document] = field(default_factory=list)
    inserts: list[RawBSONDocument] = field(default_factory=list)
    markers: list[Document] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class DirectBatch:
    """The encoded writes of a batch."""

    tables: dict[str, _Table]
    history: list[RawBSONDocument]
    written: int


def direct_batch(
    batch: Sequence[Delivered],
    routes: Mapping[str, Route],
    deleted_rows: Container[RowKey],
    now: datetime | None,
) -> DirectBatch | None:
    """Return the encoded writes of a batch, or None if the batch needs a look-up.

    `now` is the time of the history documents. If it is None, there is no history.
    """
    if not _may_be_direct(batch, deleted_rows):
        return None
    tables: dict[str, _Table] = {}
    history = []
    try:
        for delivered in batch:
            _add(tables.setdefault(delivered.event.table, _Table()), delivered)
            if now is not None and routes[delivered.event.table].history:
                history.append(_encoded(history_document(delivered, now)))
    except (BSONError, OverflowError, RecursionError, Rejected):
        return None  # MongoDB cannot store the batch: the look-up finds the change that it rejects.
    encoded = [*history, *(each for table in tables.values() for each in table.inserts)]
    updates = [each["u"] for table in tables.values() for each in table.updates]
    if sum(len(each.raw) for each in (*encoded, *updates)) > _MOST_BYTES:
        return None
    return DirectBatch(tables=tables, history=history, written=len(batch))


def _may_be_direct(batch: Sequence[Delivered], deleted_rows: Container[RowKey]) -> bool:
    rows = {(each.event.table, each.event.key) for each in batch}
    versions = {each.event.version for each in batch}
    return (
        0 < len(batch) <= LARGEST_BATCH
        and len(rows) == len(versions) == len(batch)
        and all(each.event.op in _OPERATIONS and not each.tombstone for each in batch)
        and sum(each.event.op is not Operation.CREATE for each in batch) <= _MOST_CONDITIONS
        and not any(row in deleted_rows for row in rows)
    )


def _add(table: _Table, delivered: Delivered) -> None:
    event = delivered.event
    older = {
        "_id": event.key,
        "_epoch": event.version.epoch,
        "_version": {"$lt": event.version.outbox_id},
    }
    if event.op is Operation.UPDATE:
        table.updates.append({"q": older, "u": _encoded(delivered.document)})
        return
    if event.op is Operation.DELETE:
        table.deletes.append({"q": older, "limit": 1})
    else:
        table.inserts.append(_encoded(delivered.document))
    # A marker that is not older does not meet the condition. The upsert then fails, because it
    # would insert a second document with this key.
    table.markers.append({"q": older, "u": marker(event), "upsert": True})


def _encoded(document: Document | None) -> RawBSONDocument:
    # Encoded once for all collections.
    return RawBSONDocument(bson.encode(document or {}))


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
                # Deletes first, because they free unique values.
                self._run("delete", collection, "deletes", table.deletes, session)
                self._run("update", collection, "updates", table.updates, session)
                self._run("insert", collection, "documents", table.inserts, session)
            self._run("update", route.markers, "updates", table.markers, session)
        fault_points.reach(fault_points.REPLICA_DIRECT)
        self._run("insert", self._history, "documents", batch.history, session)

    def _run(
        self,
        command: str,
        collection: str,
        kind: str,
        statements: Sequence[Mapping[str, Any]],
        session: ClientSession,
    ) -> None:
        if not statements:
            return
        answer = self._db.command(
            {command: collection, kind: statements, "ordered": True}, session=session
        )
        if answer.get("writeErrors") or answer["n"] != len(statements):
            raise Unexpected
