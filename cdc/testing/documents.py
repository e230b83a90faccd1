"""Raises the errors of the real replica for values that BSON cannot store, and for duplicates."""

from collections.abc import Mapping
from typing import Any

from cdc.errors import Rejected
from cdc.mongo.plan import Conflict, Document, Identity, Writes
from cdc.wire.event import Version

_MAX_DEPTH = 100


def check_unique(
    name: str | None, collection: str, held: Mapping[Identity, Document], writes: Writes
) -> None:
    """Raise Conflict if a new document and another document have the same value of field `name`."""
    if name is None:
        return
    new = [*writes.replaces, *writes.inserts]
    gone = {*writes.deletes, *(document["_id"] for document in new)}
    used = {document.get(name) for key, document in held.items() if key not in gone}
    for document in new:
        if document[name] in used:
            reason = f"The unique index {name}_1 of {collection} refuses the document."
            raise Conflict(reason, Version(document["_epoch"], document["_version"]))
        used.add(document[name])


def bson_copy(value: Any, depth: int = 0) -> Any:
    """Return a copy; raise Rejected for a value that BSON cannot store."""
    if depth > _MAX_DEPTH:
        raise Rejected(f"The document is nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(value, dict):
        if any("\0" in key for key in value):
            raise Rejected("A key contains NUL.")
        return {key: bson_copy(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [bson_copy(item, depth + 1) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Rejected(f"{value} does not fit in 64 bits.")
    return value
