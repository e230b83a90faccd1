"""Plans what a batch of events writes to the replica; pure functions without I/O.

A batch is reduced to the highest version of each row. An event that is not newer than the version
in the replica is dropped. So no reordering, duplicate or replay can take a document back.
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
"""A row's table and key."""


def delete_markers(table: str) -> str:
    """Return the collection of a table's delete markers."""
    return f"{table}_delete_markers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the rows of a table become documents, and in which collections."""

    table: str
    key: str
    columns: Sequence[Column]
    collections: tuple[str, ...]
    history: bool = True
    """Whether its events are kept in the history."""
    topic: str = ""
    """The topic of its events; without it, no tombstone belongs to the table."""

    @property
    def markers(self) -> str:
        """The collection that keeps the versions of deleted rows."""
        return delete_markers(self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """An event with its position in Kafka and the document that it becomes."""

    event: ChangeEvent
    source: TopicPartition
    offset: int
    document: Document | None
    """None for a delete."""
    tombstone: bool = False
    """Read from a tombstone. Only its delete event is counted as a duplicate or as stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The version of a row that the replica holds."""

    version: Version
    live: bool
    """False when the replica has only a delete marker."""


@dataclass(slots=True, kw_only=True)
class Writes:
    """The writes to one table's collections, each list in key order."""

    inserts: list[Document] = field(default_factory=list)
    replaces: list[Document] = field(default_factory=list)
    deletes: list[Identity] = field(default_factory=list)
    markers: list[Document] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The writes of a batch, and how many of its events were stale."""

    writes: Mapping[str, Writes]
    """By table."""
    duplicates: int
    """Events that the replica had applied already."""
    stale: int
    """Events that are older than the replica's version, or whose row was deleted long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The result of a batch."""

    written: int
    """Documents written in each collection."""
    duplicates: int
    stale: int


class Conflict(Retryable):
    """A unique index of the replica refuses the document of one event, perhaps only for now.

    The row that holds the value may release it in a change that has not arrived yet.
    """

    def __init__(self, reason: str, version: Version) -> None:
        super().__init__(reason)
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPosition:
    """Where a consumer that takes a partition over resumes."""

    next_offset: int | None
    """None: at the partition's first record."""
    recreated: bool
    """Whether the stored position was of a deleted topic of the same name."""
    leader_epoch: int | None = None
    """The leader epoch of the record before `next_offset`; None when it is not known."""


def deliver(event: ChangeEvent, route: Route, source: TopicPartition, offset: int) -> Delivered:
    """Return the event with its document; raises Rejected for a row that does not fit the table."""
    if event.key_column != route.key:
        name = event.key_column[:60]
        raise Rejected(f"The key names {name!r}, but the key of {route.table} is {route.key!r}.")
    if event.deletes:
        _check_key(event, route)
    document = None if event.deletes else _document(event, route)
    return Delivered(event=event, source=source, offset=offset, document=document)


def content(key: Identity, row: Row, columns: Sequence[Column]) -> Document:
    """Return a row's document without its version; raises Rejected."""
    return {"_id": key, **values_of(row, columns)}


def keys_of(batch: Iterable[Delivered]) -> dict[str, list[Identity]]:
    """Return the keys whose versions must be looked up, by table, sorted and without repeats."""
    keys: dict[str, set[Identity]] = {}
    for delivered in batch:
        keys.setdefault(delivered.event.table, set()).add(delivered.event.key)
    return {table: sorted(found, key=_order) for table, found in keys.items()}


def lacking(batch: Iterable[Delivered], routes: Mapping[str, Route]) -> dict[str, set[str]]:
    """Return the columns that documents of a batch lack, by table."""
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
    """Return the writes of a batch, given the versions that the replica holds.

    An event of a row in `deleted_rows`, which the database no longer has, is stale if the replica
    holds neither its document nor its delete marker.
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
    """Return the number of documents that a plan writes in each collection."""
    return sum(
        len(writes.inserts) + len(writes.replaces) + len(writes.deletes)
        for writes in planned.writes.values()
    )


def history_document(delivered: Delivered, applied_at: datetime) -> Document:
    """Return the history document of an event.

    `at` is when it was captured, `applied_at` when it was written to the replica, each by the clock
    of the machine that did it.
    """
    event = delivered.event
    return {
        "_id": {"epoch": event.version.epoch, "outbox_id": event.version.outbox_id},
        "op": event.op.value,
        "table": event.table,
        "key": event.key,
        "before": event.before,
        "after": event.after,
        "user": event.user,
        "at": _moment(event.ts_ms),
        "applied_at": applied_at,
        "partition": delivered.source.partition,
        "offset": delivered.offset,
    }


def newest_by_row(batch: Iterable[Delivered]) -> list[Delivered]:
    """Return the event of the highest version of each row, in key order."""
    best: dict[RowKey, Delivered] = {}
    for delivered in batch:
        key = (delivered.event.table, delivered.event.key)
        if key not in best or delivered.event.version > best[key].event.version:
            best[key] = delivered
    return sorted(best.values(), key=lambda item: (item.event.table, _order(item.event.key)))


def _write(writes: Writes, delivered: Delivered, held: Known | None) -> None:
    event = delivered.event
    live = held is not None and held.live
    if delivered.document is None:
        if live:
            writes.deletes.append(event.key)
        writes.markers.append(_marker(event))
    elif live:
        writes.replaces.append(delivered.document)
    else:
        writes.inserts.append(delivered.document)
        # Two consumers that write the same row must conflict. One may insert the row while the
        # other writes only its delete marker, so an insert writes the marker too.
        writes.markers.append(_marker(event))


def _document(event: ChangeEvent, route: Route) -> Document:
    document = content(event.key, event.after or {}, route.columns)
    document["_epoch"] = event.version.epoch
    document["_version"] = event.version.outbox_id
    return document


def _check_key(event: ChangeEvent, route: Route) -> None:
    """Raise Rejected for a key that no row can have; for a document, its columns check that."""
    for column in route.columns:
        if column.name == route.key:
            column.from_wire(event.key)


def _marker(event: ChangeEvent) -> Document:
    return {
        "_id": event.key,
        "_epoch": event.version.epoch,
        "_version": event.version.outbox_id,
        "at": datetime.now(tz=UTC),
    }


def _moment(ts_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected(f"ts_ms is {ts_ms}, not a time in milliseconds since 1970.") from None


def _order(key: Identity) -> tuple[bool, Identity]:
    return isinstance(key, str), key
