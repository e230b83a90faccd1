"""What a snapshot would do to the replica, counted without sending anything."""

from collections.abc import Callable
from dataclasses import dataclass

from cdc.capture.images import keys_after
from cdc.mongo.reader import ReplicaReader
from cdc.progress import Advance
from cdc.resync.orphans import Leftovers
from cdc.resync.selection import Selection

CHUNK = 1_000


@dataclass(slots=True, kw_only=True)
class Forecast:
    """Documents of one collection."""

    collection: str
    insert: int = 0
    update: int = 0
    """Documents that are written anew, changed or not."""
    remove: int = 0
    """Documents whose row is gone; none when only some rows are meant."""

    def __str__(self) -> str:
        return (
            f"{self.collection}: would insert {self.insert}, update {self.update}, "
            f"remove {self.remove}"
        )


def forecast(
    selection: Selection,
    reader: ReplicaReader,
    leftovers: Leftovers,
    advance: Advance,
    stopped: Callable[[], bool],
    *,
    using: str,
) -> list[Forecast]:
    """Return the counts of each collection, read in chunks, so that memory is bounded."""
    counted = [Forecast(collection=name) for name in selection.capture.collections]
    last = None
    while not stopped():
        keys = keys_after(selection.capture, last, CHUNK, selection.query, using=using)
        if not keys:
            break
        last = keys[-1]
        for each in counted:
            there = len(reader.keys(each.collection, keys))
            each.update += there
            each.insert += len(keys) - there
        advance(len(keys))
    for each in counted if selection.complete else ():
        each.remove = _remaining(each.collection, leftovers, stopped)
    return counted


def _remaining(collection: str, leftovers: Leftovers, stopped: Callable[[], bool]) -> int:
    count = 0
    for chunk in leftovers.chunks(collection, None, once=False):
        count += len(chunk.leftovers)
        if stopped():
            break
    return count
