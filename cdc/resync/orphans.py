"""Documents whose row is gone: found by their keys, in MongoDB's order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from cdc.mongo.reader import ReplicaReader
from cdc.registry import Capture

CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChunk:
    """Some keys of one collection, one behind the other."""

    seen: int
    last: Any
    """The last of them: where the next chunk begins."""
    leftovers: Sequence[Any]
    """Those that a row could have and none has."""
    foreign: Sequence[Any]
    """Those that no row can have: only a stranger can have written them."""


class Leftovers:
    """Reads the keys of a table's collections and asks the table which of them it has.

    Rows are never asked for in MongoDB's order, nor documents in the database's: each orders text
    in its own way.
    """

    def __init__(self, capture: Capture, reader: ReplicaReader, using: str) -> None:
        self._capture = capture
        self._reader = reader
        self._using = using

    def chunks(self, collection: str, last: Any, *, once: bool = True) -> Iterator[KeyChunk]:
        """Yield the keys of `collection` behind `last` (None: all).

        `once` leaves out leftovers that an earlier collection of the table has too.
        """
        while keys := self._reader.keys_after(collection, last, CHUNK):
            last = keys[-1]
            possible = [key for key in keys if self.possible(key)]
            gone = self.gone(possible)
            for earlier in self._before(collection) if once and gone else ():
                gone -= self._reader.keys(earlier, sorted(gone))
            if once and gone:
                # A delete that was sent for an earlier collection may have been applied meanwhile:
                # then, as all are written together, this one has lost the document too.
                gone &= self._reader.keys(collection, sorted(gone))
            yield KeyChunk(
                seen=len(keys),
                last=last,
                leftovers=sorted(gone),
                foreign=[key for key in keys if not self.possible(key)],
            )

    def possible(self, key: Any) -> bool:
        """Return whether a row of the table could have this key."""
        wanted = int if self._capture.key.type.schema["type"] == "integer" else str
        return isinstance(key, wanted) and not isinstance(key, bool)

    def gone(self, keys: Sequence[Any]) -> set[Any]:
        """Return those of `keys` that no row has."""
        rows: QuerySet[Any] = QuerySet(model=self._capture.model, using=self._using)
        return set(keys) - set(rows.filter(pk__in=keys).values_list("pk", flat=True))

    def _before(self, collection: str) -> tuple[str, ...]:
        names = self._capture.collections
        return names[: names.index(collection)]
