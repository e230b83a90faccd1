"""Recognises writes rejected by a unique index that an operator added to the replica."""

import re
from collections.abc import Mapping
from typing import Any

from pymongo.errors import BulkWriteError

from cdc.mongo.content import version_of
from cdc.mongo.plan import Conflict
from cdc.wire.event import Version

_DUPLICATE_KEY = 11000
_PLACE = re.compile(r"collection: (\S+) index: (.+?)(?: collation: \{.*\})? dup key:")


def conflict_of(error: BulkWriteError) -> Conflict | None:
    """Return the conflict that made a write fail, or None for any other failure.

    A duplicate `_id` is not a conflict: another consumer has just written the same row.
    """
    (refused, *_) = error.details.get("writeErrors") or [{}]
    if refused.get("code") != _DUPLICATE_KEY or list(refused.get("keyPattern", {})) in (
        [],
        ["_id"],
    ):
        return None
    version = _version(refused.get("op", {}))
    return Conflict(_reason(refused), version) if version else None


def _reason(refused: Mapping[str, Any]) -> str:
    place = _PLACE.search(str(refused.get("errmsg", "")))
    fields = ", ".join(refused["keyPattern"])
    index = "A unique index, which MongoDB does not name,"
    if place:
        index = f"The unique index {place[2]} of {place[1]}"
    return (
        f"{index} refuses the document: another document has the same {fields}. Drop the index, or "
        "change one of the two rows."
    )


def _version(operation: Mapping[str, Any]) -> Version | None:
    """Return the version of the event whose document or history document was refused."""
    written = operation.get("u", operation)
    document = written.get("$setOnInsert", written)
    event = document["_id"] if isinstance(document.get("_id"), dict) else {}
    return version_of(
        event.get("epoch", document.get("_epoch")),
        event.get("outbox_id", document.get("_version")),
    )
