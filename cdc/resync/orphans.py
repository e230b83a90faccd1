"""Finds orphaned documents, which have no row. Reads the keys in MongoDB's order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from cdc.errors import Refused, Rejected
from cdc.mongo.reader import ReplicaReader
from cdc.registry import Capture

CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChunk:
    """Consecutive keys of one collection."""

    seen: int
    last: Any
    """The last key; the next chunk starts after it."""
    orphans: Sequence[Any]
    """Keys that are valid for the table but belong to no row."""
    foreign: Sequence[Any]
    """Keys that are not valid for the table, because another program wrote the documents."""


class Orphans:
    """Reads the keys of a table's collections and looks each of them up in the table.

    Two sorted lists of keys could not be merged, because MongoDB and the database sort text
    differently. Keys are JSON values, as in the documents.
    """

    def __init__(self, capture: Capture, reader: ReplicaReader, using: str) -> None:
        self._capture = capture
        self._reader = reader
        self._using = using

    def chunks(self, collection: str, last: Any, *, once: bool = True) -> Iterator[KeyChunk]:
        """Yield the keys of `collection` after `last`, or all keys if `last` is None.

        With `once`, orphans that are also in an earlier collection of the table are left out.
        """
        while keys := self._reader.keys_after(collection, last, CHUNK):
            last = keys[-1]
            possible, foreign = list[Any](), list[Any]()
            for key in keys:
                (possible if self.possible(key) else foreign).append(key)
            # Usually, an earlier collection has all keys, and the table need not be asked again.
            new = self._not_before(collection, possible) if once else possible
            gone = self.gone(new)
            if once and gone:
                # A delete for an earlier collection may have been applied in the meantime. It
                # removes the document from all collections, so check this collection again.
                gone &= self._reader.keys(collection, sorted(gone))
            yield KeyChunk(
                seen=len(keys),
                last=last,
                orphans=sorted(gone),
                foreign=foreign,
            )

    def possible(self, key: Any) -> bool:
        """Return whether a row of the table could have this key."""
        if isinstance(key, int) and not isinstance(key, bool):
            key = int(key)  # MongoDB's long integers have a class of their own.
        try:
            written: Any = self._capture.key_to_wire(self._capture.key_from_wire(key))
        except (Rejected, Refused):
            return False
        return bool(written == key)

    def gone(self, keys: Sequence[Any]) -> set[Any]:
        """Return those of `keys` that no row has."""
        rows: QuerySet[Any] = QuerySet(model=self._capture.model, using=self._using)
        found = rows.filter(pk__in=[self._capture.key_from_wire(key) for key in keys])
        return set(keys) - set(map(self._capture.key_to_wire, found.values_list("pk", flat=True)))

    def _not_before(self, collection: str, keys: Sequence[Any]) -> list[Any]:
        """Return those of `keys` that are in no earlier collection of the table."""
        names = self._capture.collections
        for earlier in names[: names.index(collection)]:
            if keys:
                found = self._reader.keys(earlier, keys)
                keys = [key for key in keys if key not in found]
        return list(keys)


def foreign_document(collection: str, key: Any) -> str:
    """Return the message about a document with a key that is not valid for the table."""
    return (
        f"{collection} has a document with the key {key!r}, which no row can have: delete this "
        "document."
    )
