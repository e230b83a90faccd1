"""The outbox as its writers see it: entries, depth and the epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.db import connections, transaction
from django.db.models import Max, Min

from cdc.models import Epoch, OutboxRecord

_COLUMNS = ("topic", "key", "op", "before", "after", "ts_ms", "db", "table", "user", "traceparent")
_ROWS_PER_INSERT = 50
"""SQLite takes 999 parameters in its older builds."""
_BYTES_PER_INSERT = 1_000_000
"""Far below the 16 MB that MariaDB takes as one statement, in which bytes are escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row to be written to the outbox, encoded."""

    topic: str
    key: str
    op: str
    before: bytes | None
    after: bytes | None
    ts_ms: int
    db: str
    table: str
    user: str
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What waits in the outbox."""

    rows: int
    oldest_ms: int | None
    """When the oldest row was captured, in milliseconds since 1970; None when nothing waits."""


def add(entries: Sequence[Entry], *, using: str) -> int:
    """Write entries in their order, each with the epoch that the database holds at that moment.

    The inserting statement reads the epoch itself: a value cached in this process could be that
    of a database that was restored since. Must run in the transaction of the change. Returns the
    lowest id that was given, which is above those of all earlier changes of these rows; 0 when
    there are no entries.
    """
    lowest = 0
    with connections[using].cursor() as cursor:
        for chunk in _chunks(entries):
            values = [getattr(entry, name) for entry in chunk for name in _COLUMNS]
            cursor.execute(_insert_statement(using, len(chunk)), values)
            lowest = lowest or _first_id(cursor.lastrowid, len(chunk), using)
    return lowest


def depth(*, using: str) -> Depth:
    """Return how many rows wait, and since when."""
    rows = OutboxRecord.objects.using(using)
    oldest = rows.aggregate(oldest=Min("ts_ms"))["oldest"]
    return Depth(rows=rows.count(), oldest_ms=oldest)


def ensure_epoch(now_ms: int, *, using: str) -> None:
    """Begin the database's first epoch when it has none."""
    if not Epoch.objects.using(using).exists():
        Epoch.objects.using(using).create(value=now_ms)


def begin_epoch(now_ms: int, *, using: str) -> int:
    """Begin a new epoch, above the old one and not before now; return it."""
    with transaction.atomic(using=using):
        epochs = list(Epoch.objects.using(using).select_for_update())
        old = max((epoch.value for epoch in epochs), default=0)
        new = max(old + 1, now_ms)
        Epoch.objects.using(using).all().delete()
        Epoch.objects.using(using).create(value=new)
    return new


def current_epoch(*, using: str) -> int | None:
    """Return the database's epoch; None before its first migration."""
    value: int | None = Epoch.objects.using(using).aggregate(value=Max("value"))["value"]
    return value


def _first_id(last: int, rows: int, using: str) -> int:
    """Return the first id of an insert: MySQL tells it, SQLite tells the last one."""
    return last - rows + 1 if connections[using].vendor == "sqlite" else last


def _chunks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        weight = len(entry.before or b"") + len(entry.after or b"")
        if chunk and (len(chunk) == _ROWS_PER_INSERT or size + weight > _BYTES_PER_INSERT):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += weight
    if chunk:
        yield chunk


@lru_cache(maxsize=256)
def _insert_statement(using: str, rows: int) -> str:
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(name) for name in (*_COLUMNS, "epoch"))
    # The names are this module's own; values travel as parameters.
    epoch = f"(SELECT MAX({quote('value')}) FROM {quote(Epoch._meta.db_table)})"  # noqa: S608
    row = f"({', '.join(['%s'] * len(_COLUMNS))}, {epoch})"
    table = quote(OutboxRecord._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608
