"""Builds the writes of a batch in an order that unique indexes allow, and computes their size.

`cdc/mongo/plan.py` decides what an insert, an update or a delete changes. Most batches are applied
without a lookup, by `direct.py`; this module builds the writes of the other batches.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson.errors import BSONError
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from pymongo.results import BulkWriteResult

from cdc.errors import Rejected
from cdc.mongo.apply import encoded
from cdc.mongo.apply.direct import Unexpected
from cdc.mongo.history_document import history_document
from cdc.mongo.plan import Delivered, Document, Route, Writes

_DUPLICATE_KEY = 11000


def replica_operations(writes: Writes, *, apart: bool) -> list[Any]:
    """Return the writes to a replica collection; deletes come first to free unique values.

    A replace is an upsert, because a collection that was added later may lack the document. With
    `apart`, all old documents are deleted before new documents are written. Rows can then swap
    unique values.
    """
    if not apart:
        deletes = [DeleteOne({"_id": key}) for key in writes.deletes]
        return [*deletes, *upserts(writes.replaces), *map(InsertOne, writes.inserts)]
    old = [*writes.deletes, *(item["_id"] for item in writes.replaces)]
    return [DeleteMany({"_id": {"$in": old}}), *map(InsertOne, writes.replaces + writes.inserts)]


def upserts(documents: Sequence[Document]) -> list[Any]:
    """Return replace operations, which also insert missing documents."""
    return [ReplaceOne({"_id": item["_id"]}, item, upsert=True) for item in documents]


def marker_operations(writes: Writes) -> list[Any]:
    """Return the writes of delete markers. New markers are inserted, which is much faster."""
    new = [InsertOne(each) for each in writes.markers if each["_id"] in writes.unmarked]
    return new + upserts([each for each in writes.markers if each["_id"] not in writes.unmarked])


def history_operations(batch: Sequence[Delivered], now: datetime) -> list[Any]:
    """Return upserts that do not change existing documents, so that a replay changes no history."""
    by_version = {delivered.event.version: delivered for delivered in batch}
    documents = [history_document(by_version[version], now) for version in sorted(by_version)]
    return [
        UpdateOne({"_id": item["_id"]}, {"$setOnInsert": item}, upsert=True) for item in documents
    ]


def add_history(
    history: Collection[Document],
    events: Sequence[Delivered],
    now: datetime,
    session: ClientSession,
) -> None:
    """Insert the history documents of new events; raise Unexpected if one of them exists."""
    try:
        write(history, [InsertOne(history_document(each, now)) for each in events], session)
    except BulkWriteError as error:
        (refused, *_) = error.details.get("writeErrors") or [{}]
        if refused.get("code") == _DUPLICATE_KEY and list(refused["keyPattern"]) == ["_id"]:
            raise Unexpected from error
        raise


def write(
    collection: Collection[Document], operations: list[Any], session: ClientSession
) -> BulkWriteResult | None:
    """Run the operations in the session's transaction; return None if `operations` is empty."""
    # Ordered: an unordered write would continue in the aborted transaction and hide the first
    # error.
    return collection.bulk_write(operations, ordered=True, session=session) if operations else None


def written_bytes(delivered: Delivered, routes: Mapping[str, Route]) -> int:
    """Return the size in bytes of the documents that an event writes; 0 if BSON cannot encode them.

    The size in JSON is not a good estimate: BSON may need six times as much for a list of numbers.
    """
    route = routes[delivered.event.table]
    try:
        document = len(encoded.document(delivered)) if delivered.document else 0
        history = len(encoded.history(delivered)) if route.history else 0
    except (BSONError, OverflowError, RecursionError, Rejected):
        return 0  # The replica will reject the event.
    return document * len(route.collections) + history
