"""Plans the writes of a batch of events; pure functions without I/O.

Only the event with the highest version of each row is applied. An event that is not newer than the
replica is dropped. Reordered, duplicate or replayed events therefore cannot restore old content.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cdc.errors import Rejected, Retryable
from cdc.wire.columns import Column, values_of
from cdc.wire.event import ChangeEvent, Row, Version
from cdc.wire.records import TopicPartition

Document = dict[str, Any]
Identity = int | str
RowKey = tuple[str, Identity]
"""The table and the key of a row."""


def delete_markers(table: str) -> str:
    """Return the collection of a table's delete markers."""
    return f"{table}_delete_markers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Defines how the rows of a table become documents, and which collections store them."""

    table: str
    key: str
    columns: Sequence[Column]
    collections: tuple[str, ...]
    history: bool = True
    """Whether the history keeps the events of the table."""
    topic: str = ""
    """The topic of the table's events; if empty, no tombstone is read as a delete of a row."""
    indexes: tuple[str, ...] = ()
    """The columns that have an index in the first of `collections`."""

    @property
    def markers(self) -> str:
        """The collection that stores the versions of deleted rows and of recently created rows."""
        return delete_markers(self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """An event with its partition, its offset and the document that it writes."""

    event: ChangeEvent
    source: TopicPartition
    offset: int
    document: Document | None
    """None for a delete."""
    tombstone: bool = False
    """True for a delete that was read from a tombstone.

    Such a delete never counts as a duplicate or as stale, because its delete event already counts.
    """
    encoded: dict[str, bytes] = field(default_factory=dict, init=False, compare=False, repr=False)
    """The documents in BSON; only `cdc.mongo.apply.encoded` uses this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The version of a row in the replica."""

    version: Version
    live: bool
    """False if the replica has only a delete marker."""
    marked: bool = True
    """False if the replica certainly has no delete marker."""


@dataclass(slots=True, kw_only=True)
class Writes:
    """The writes to the collections of one table; each list is in key order."""

    inserts: list[Document] = field(default_factory=list)
    replaces: list[Document] = field(default_factory=list)
    deletes: list[Identity] = field(default_factory=list)
    markers: list[Document] = field(default_factory=list)
    unmarked: set[Identity] = field(default_factory=set)
    """The keys that certainly have no marker yet; inserting these markers is faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The writes of a batch, and the number of its duplicate and stale events."""

    writes: Mapping[str, Writes]
    """The writes, by table."""
    duplicates: int
    """The number of events that were applied before or are repeated in the batch."""
    stale: int
    """The number of events that are older than the replica, or whose row was deleted long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The result of applying a batch."""

    written: int
    """The number of rows whose documents were written or deleted."""
    duplicates: int
    stale: int


class Conflict(Retryable):
    """A unique index in the replica refuses the document of an event.

    Another document already has the unique value. The conflict may be temporary, because a later
    event may change or delete the other document.
    """

    def __init__(self, reason: str, version: Version) -> None:
        super().__init__(reason)
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPosition:
    """The position at which a consumer resumes after it has taken over a partition."""

    next_offset: int | None
    """None if the consumer starts at the partition's first record."""
    recreated: bool
    """True if the topic was recreated after the position was stored."""
    leader_epoch: int | None = None
    """The leader epoch of the record before `next_offset`; None if unknown."""


def deliver(
    event: ChangeEvent,
    route: Route,
    source: TopicPartition,
    offset: int,
    *,
    tombstone: bool = False,
) -> Delivered:
    """Return the event with its document; raise Rejected if the row does not match the table."""
    if event.key_column != route.key:
        name = event.key_column[:60]
        raise Rejected(
            f"The message has the key field {name!r}, but the key of {route.table} is "
            f"{route.key!r}."
        )
    if event.deletes:
        _check_key(event, route)
    document = None if event.deletes else _document(event, route)
    return Delivered(
        event=event, source=source, offset=offset, document=document, tombstone=tombstone
    )


def content(key: Identity, row: Row, columns: Sequence[Column]) -> Document:
    """Return a row's document without its version; raise Rejected if a value is invalid."""
    return {"_id": key, **values_of(row, columns)}


def keys_of(batch: Iterable[Delivered]) -> dict[str, list[Identity]]:
    """Return the distinct keys of a batch by table, in key order."""
    keys: dict[str, set[Identity]] = {}
    for delivered in batch:
        keys.setdefault(delivered.event.table, set()).add(delivered.event.key)
    return {table: sorted(found, key=_order) for table, found in keys.items()}


def lacking(batch: Iterable[Delivered], routes: Mapping[str, Route]) -> dict[str, set[str]]:
    """Return the columns that at least one document of a batch lacks, by table."""
    found: dict[str, set[str]] = {}
    for delivered in batch:
        document, table = delivered.document, delivered.event.table
        if document is not None:
            names = [each.name for each in routes[table].columns if each.name not in document]
            if names:
                found.setdefault(table, set()).update(names)
    return found


def plan(
    batch: Sequence[Delivered],
    known: Mapping[RowKey, Known],
    deleted_rows: Container[RowKey] = (),
) -> Plan:
    """Return the writes of a batch, given the versions in the replica.

    `deleted_rows` are rows that the database no longer has. An event of such a row is stale if the
    replica has neither a document nor a delete marker of the row.
    """
    writes: dict[str, Writes] = {}
    duplicates = len(batch) - len({delivered.event.version for delivered in batch})
    stale = 0
    for delivered in newest_by_row(batch):
        key = (delivered.event.table, delivered.event.key)
        held = known.get(key)
        if held is not None and delivered.event.version == held.version:
            duplicates += not delivered.tombstone
        elif _is_stale(delivered.event.version, held, deleted=key in deleted_rows):
            stale += not delivered.tombstone
        else:
            _write(writes.setdefault(delivered.event.table, Writes()), delivered, held)
    return Plan(writes=writes, duplicates=duplicates, stale=stale)


def _is_stale(version: Version, held: Known | None, *, deleted: bool) -> bool:
    return deleted if held is None else version < held.version


def written(planned: Plan) -> int:
    """Return the number of rows whose documents a plan writes or deletes."""
    return sum(
        len(writes.inserts) + len(writes.replaces) + len(writes.deletes)
        for writes in planned.writes.values()
    )


def newest_by_row(batch: Iterable[Delivered]) -> list[Delivered]:
    """Return the event with the highest version of each row, in key order."""
    best: dict[RowKey, Delivered] = {}
    for delivered in batch:
        key = (delivered.event.table, delivered.event.key)
        if key not in best or delivered.event.version > best[key].event.version:
            best[key] = delivered
    return sorted(best.values(), key=lambda item: (item.event.table, _order(item.event.key)))


def _write(writes: Writes, delivered: Delivered, held: Known | None) -> None:
    event = delivered.event
    live = held is not None and held.live
    if held is None or not held.marked:
        writes.unmarked.add(event.key)
    if delivered.document is None:
        if live:
            writes.deletes.append(event.key)
        writes.markers.append(marker(event))
    elif live:
        writes.replaces.append(delivered.document)
    else:
        writes.inserts.append(delivered.document)
        # If two consumers write the same row at once, one may insert the document while the other
        # writes only the delete marker. Both write the marker, so MongoDB detects the conflict.
        writes.markers.append(marker(event))


def _document(event: ChangeEvent, route: Route) -> Document:
    document = content(event.key, event.after or {}, route.columns)
    document["_epoch"] = event.version.epoch
    document["_version"] = event.version.outbox_id
    return document


def _check_key(event: ChangeEvent, route: Route) -> None:
    """Raise Rejected for an invalid key of a delete; other keys are checked with the columns."""
    for column in route.columns:
        if column.name == route.key:
            column.from_wire(event.key)


def marker(event: ChangeEvent) -> Document:
    """Return the marker of an event's row and version. Deletes and inserts write markers."""
    return {
        "_id": event.key,
        "_epoch": event.version.epoch,
        "_version": event.version.outbox_id,
        "at": datetime.now(tz=UTC),
    }


def _order(key: Identity) -> tuple[bool, Identity]:
    return isinstance(key, str), key
