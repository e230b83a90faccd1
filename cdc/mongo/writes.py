"""The operations that write a batch, in an order that unique indexes allow."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.results import BulkWriteResult

from cdc.mongo.plan import Delivered, Document, Writes, history_document


def replica_operations(writes: Writes, *, apart: bool) -> list[Any]:
    """Return the writes of a replica collection; deletes come first and free unique values.

    A replace is an upsert, because a collection that was added later may lack the document. With
    `apart`, every old document is deleted before a new one is written, so that rows can swap
    unique values.
    """
    if not apart:
        deletes = [DeleteOne({"_id": key}) for key in writes.deletes]
        return [*deletes, *upserts(writes.replaces), *map(InsertOne, writes.inserts)]
    old = [*writes.deletes, *(item["_id"] for item in writes.replaces)]
    return [DeleteMany({"_id": {"$in": old}}), *map(InsertOne, writes.replaces + writes.inserts)]


def upserts(documents: Sequence[Document]) -> list[Any]:
    """Return replaces that insert missing documents."""
    return [ReplaceOne({"_id": item["_id"]}, item, upsert=True) for item in documents]


def history_operations(batch: Sequence[Delivered], now: datetime) -> list[Any]:
    """Return upserts that keep existing documents, so that a replay changes no history."""
    by_version = {delivered.event.version: delivered for delivered in batch}
    documents = [history_document(by_version[version], now) for version in sorted(by_version)]
    return [
        UpdateOne({"_id": item["_id"]}, {"$setOnInsert": item}, upsert=True) for item in documents
    ]


def write(
    collection: Collection[Document], operations: list[Any], session: ClientSession
) -> BulkWriteResult | None:
    """Run operations, if there are any, in the session's transaction."""
    # Ordered: an unordered write continues in the aborted transaction and hides the first error.
    return collection.bulk_write(operations, ordered=True, session=session) if operations else None
