"""Functions on the outbox table and the epoch."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models import Max, Min

from cdc.errors import Refused
from cdc.models import Epoch, OutboxRecord, RelayLease

_COLUMNS = ("topic", "key", "op", "before", "after", "ts_ms", "db", "table", "user", "traceparent")
_ROWS_PER_INSERT = 50
"""Older versions of SQLite accept at most 999 parameters in a statement."""
_IDS_PER_SELECT = 500
_BYTES_PER_INSERT = 1_000_000
"""The maximum size of several rows in one INSERT; a larger row is inserted alone. Even if every
byte is escaped, this size is far below MariaDB's default limit of 16 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The encoded values of an outbox row to be inserted."""

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
    """The number of rows in the outbox, and the capture time of the oldest row."""

    rows: int
    oldest_ms: int | None
    """When the oldest row was captured, in milliseconds since 1970; None if the outbox is empty."""


def add(entries: Sequence[Entry], *, using: str) -> int:
    """Insert entries in order, with the current epoch; return the lowest new id.

    Return 0 if there are no entries. Must run in the transaction of the change. The INSERT itself
    reads the epoch, because a cached value could be outdated after a restore. The returned id is
    higher than the ids of all earlier changes of these rows. A new database gets its first epoch.
    """
    lowest = 0
    with connections[using].cursor() as cursor:
        for chunk in _chunks(entries):
            values = [getattr(entry, name) for entry in chunk for name in _COLUMNS]
            _insert(cursor, _insert_statement(using, len(chunk)), values, using)
            lowest = lowest or _first_id(cursor.lastrowid, len(chunk), using)
    return lowest


def existing(ids: Iterable[int], *, using: str) -> set[int]:
    """Return those `ids` that have a row in the outbox."""
    ids = list(ids)
    found: set[int] = set()
    for start in range(0, len(ids), _IDS_PER_SELECT):
        some = OutboxRecord.objects.using(using).filter(id__in=ids[start : start + _IDS_PER_SELECT])
        found.update(some.values_list("id", flat=True))
    return found


def depth(*, using: str) -> Depth:
    """Return the number of rows, and the capture time of the oldest row."""
    rows = OutboxRecord.objects.using(using)
    oldest = rows.aggregate(oldest=Min("ts_ms"))["oldest"]
    return Depth(rows=rows.count(), oldest_ms=oldest)


def ensure_epoch(now_ms: int, *, using: str) -> None:
    """Begin the database's first epoch if it has none."""
    if not Epoch.objects.using(using).exists():
        Epoch.objects.using(using).create(value=now_ms)


def begin_epoch(now_ms: int, *, using: str) -> int:
    """Begin and return a new epoch: `now_ms`, or the old epoch plus one if that is higher."""
    with transaction.atomic(using=using):
        epochs = list(Epoch.objects.using(using).select_for_update())
        old = max((epoch.value for epoch in epochs), default=0)
        new = max(old + 1, now_ms)
        Epoch.objects.using(using).all().delete()
        Epoch.objects.using(using).create(value=new)
        # The ids may restart. The next relay must not skip rows up to the mark of the old epoch.
        RelayLease.objects.using(using).update(mark=0)
    return new


def current_epoch(*, using: str) -> int | None:
    """Return the database's epoch; None if it has none, for example during a flush."""
    value: int | None = Epoch.objects.using(using).aggregate(value=Max("value"))["value"]
    return value


def _insert(cursor: Any, statement: str, values: list[Any], using: str) -> None:
    try:
        cursor.execute(statement, values)
    except IntegrityError:
        # If there is an epoch now, another transaction may have begun it since the error. If the
        # error has another cause, it is raised again.
        if current_epoch(using=using) is None:
            _begin_first_epoch(using)
        cursor.execute(statement, values)


def _begin_first_epoch(using: str) -> None:
    """Begin the first epoch of a new database; raise Refused if a relay has worked with it.

    A new database has no epoch until `post_migrate` reaches `cdc`: for example, while a data
    migration loads rows, while an app that precedes `cdc` creates its rows, or while a test
    restores serialized rows.
    """
    if RelayLease.objects.using(using).exists():
        raise Refused(
            "The database has no epoch, because its row was deleted: wait ten seconds until the "
            "relay has begun a new epoch, or run `manage.py new_epoch`."
        )
    # Two transactions must not begin two epochs: the second waits for the first.
    first = Epoch(id=1, value=time.time_ns() // 1_000_000)
    Epoch.objects.using(using).bulk_create([first], ignore_conflicts=True)


def _first_id(last: int, rows: int, using: str) -> int:
    """Return the first id of an INSERT: MySQL reports the first, SQLite the last."""
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
    # Safe: the names are constants of this module, and the values are parameters.
    epoch = f"(SELECT MAX({quote('value')}) FROM {quote(Epoch._meta.db_table)})"  # noqa: S608
    row = f"({', '.join(['%s'] * len(_COLUMNS))}, {epoch})"
    table = quote(OutboxRecord._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608
