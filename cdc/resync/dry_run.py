"""Counts the documents that a snapshot would change, without sending anything."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cdc.capture.images import keys_after
from cdc.errors import Refused
from cdc.mongo.reader import ReplicaReader
from cdc.progress import Advance
from cdc.registry import Capture
from cdc.resync.orphans import Orphans
from cdc.resync.selection import Selection

CHUNK = 1_000


@dataclass(slots=True, kw_only=True)
class PlannedChanges:
    """The numbers of documents of one collection that a snapshot would change."""

    collection: str
    insert: int = 0
    update: int = 0
    """The number of documents that would be replaced, even with the same content."""
    remove: int = 0
    """The number of orphaned documents; 0 if the selection does not contain all rows."""

    def __str__(self) -> str:
        return (
            f"{self.collection}: would insert {self.insert}, update {self.update}, "
            f"remove {self.remove}"
        )


def dry_run(
    selection: Selection,
    reader: ReplicaReader,
    orphans: Orphans,
    advance: Advance,
    stopped: Callable[[], bool],
    *,
    using: str,
) -> list[PlannedChanges]:
    """Return the counts for each collection. Keys are read in chunks to limit the memory.

    A row whose key cannot be encoded is not counted, because a snapshot would refuse the row.
    """
    planned = [PlannedChanges(collection=name) for name in selection.capture.collections]
    last = None
    while not stopped():
        keys = keys_after(selection.capture, last, CHUNK, selection.query, using=using)
        if not keys:
            break
        last = keys[-1]
        wire = list(_valid(selection.capture, keys))
        for each in planned:
            existing = len(reader.keys(each.collection, wire))
            each.update += existing
            each.insert += len(wire) - existing
        advance(len(keys))
    for each in planned if selection.complete else ():
        each.remove = _count_orphans(each.collection, orphans, stopped)
    return planned


def _valid(capture: Capture, keys: Iterable[Any]) -> Iterator[Any]:
    for key in keys:
        with suppress(Refused):
            yield capture.key_to_wire(key)


def _count_orphans(collection: str, orphans: Orphans, stopped: Callable[[], bool]) -> int:
    count = 0
    for chunk in orphans.chunks(collection, None, once=False):
        count += len(chunk.orphans)
        if stopped():
            break
    return count
