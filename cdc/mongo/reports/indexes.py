"""Creates the indexes that reports need, and those that remove old documents."""

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING
from pymongo.collection import Collection

from cdc.mongo.plan import Document

_SPECIAL = {"partialFilterExpression", "collation", "sparse", "unique"}
"""If an index has one of these options, MongoDB allows another index with the same key."""


def ensure_indexes(collection: Collection[Document], columns: tuple[str, ...]) -> None:
    """Create an index on each of these columns, unless an index already begins with the column."""
    if not columns:
        return
    existing = {
        next(iter(index["key"]), ("",))[0] for index in collection.index_information().values()
    }
    for column in columns:
        if column not in existing:
            collection.create_index([(column, ASCENDING)])


def expire_after(collection: Collection[Document], seconds: int) -> None:
    """Remove documents `seconds` after their time `at`; 0 means never.

    An operator may have created an index on `at`. MongoDB refuses a second one under another name,
    so the existing index gets the expiry time.
    """
    name, held = expiry(collection.index_information())
    if not seconds:
        if held is not None:
            collection.drop_index(name)
    elif not name:
        collection.create_index("at", name="at_ttl", expireAfterSeconds=seconds)
    elif held != seconds:
        change = {"name": name, "expireAfterSeconds": seconds}
        # Unlike PyMongo's other methods, `command` does not use the database's write concern.
        db = collection.database
        db.command("collMod", collection.name, index=change, writeConcern=db.write_concern.document)


def expiry(indexes: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the name of the index on `at` and its time in seconds.

    The name is empty if there is no such index. The time is None if the index removes no documents.
    """
    for name, index in indexes.items():
        if list(index["key"]) == [("at", ASCENDING)] and not _SPECIAL & index.keys():
            return name, index.get("expireAfterSeconds")
    return "", None
