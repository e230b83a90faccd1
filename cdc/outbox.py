"""The outbox table: every statement that touches it, its epoch and the lease on it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, OperationalError, connections, transaction
from django.db.models import F, Max, Min, Q
from django.db.models.functions import Now

from cdc.models import Epoch, OutboxRecord, RelayLease

LEASE = "relay"
_COLUMNS = ("topic", "key", "op", "before", "after", "ts_ms", "db", "table", "user", "traceparent")
_ROWS_PER_INSERT = 50
"""SQLite takes 999 parameters in its older builds."""


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


def add(entries: Sequence[Entry], *, using: str) -> None:
    """Write entries in their order, each with the epoch that the database holds at that moment.

    The inserting statement reads the epoch itself: a value cached in this process could be that
    of a database that was restored since. Must run in the transaction of the change.
    """
    with connections[using].cursor() as cursor:
        for start in range(0, len(entries), _ROWS_PER_INSERT):
            chunk = entries[start : start + _ROWS_PER_INSERT]
            values = [getattr(entry, name) for entry in chunk for name in _COLUMNS]
            cursor.execute(_insert_statement(using, len(chunk)), values)


def pending(*, above: int, limit: int, using: str) -> list[OutboxRecord]:
    """Return up to `limit` waiting rows with an id over `above`, lowest id first."""
    rows = OutboxRecord.objects.using(using).filter(id__gt=above).order_by("id")
    return list(rows[:limit])


def waits(*, above: int, using: str) -> bool:
    """Return whether any row has an id over `above`; the cheapest question there is."""
    with connections[using].cursor() as cursor:
        cursor.execute(_waits_statement(using), [above])
        return cursor.fetchone() is not None


def acknowledge(ids: Collection[int], *, using: str) -> None:
    """Delete exactly these rows: Kafka has them."""
    if ids:
        # Their number is bounded by the relay's batch; they are a run of ids but for gaps.
        rows = OutboxRecord.objects.using(using).filter(id__gte=min(ids), id__lte=max(ids))
        for start in range(0, len(ordered := sorted(ids)), _IDS_PER_DELETE):
            chunk = ordered[start : start + _IDS_PER_DELETE]
            rows.filter(id__in=chunk)._raw_delete(using)  # noqa: SLF001 -- one statement, no look-ups


_IDS_PER_DELETE = 500


def settled(*, above: int, upto: int, using: str) -> bool:
    """Return whether no row in (above, upto] is there or can still be committed.

    Ids are given when rows are inserted and seen when they are committed, so a lower id can appear
    after a higher one. A locking read that does not wait tells the three cases apart: a row
    (committed, waiting), an error (inserted, not committed), nothing (gone or rolled back).
    """
    rows = OutboxRecord.objects.using(using).filter(id__gt=above, id__lte=upto).order_by("id")
    nowait = connections[using].features.has_select_for_update_nowait
    try:
        with transaction.atomic(using=using):
            locked = rows.select_for_update(nowait=nowait)
            return not locked.values_list("id", flat=True)[:1]
    except OperationalError:
        return False


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


def take_lease(owner: str, seconds: float, *, using: str) -> bool:
    """Take or renew the right to publish, by the database's clock; False while another has it."""
    leases = RelayLease.objects.using(using).filter(name=LEASE)
    until = Now() + timedelta(seconds=seconds)
    if leases.filter(owner=owner, expires_at__gt=Now()).update(expires_at=until):
        return True
    free = leases.filter(Q(expires_at__lte=Now()) | Q(owner=owner))
    if free.update(owner=owner, token=F("token") + 1, expires_at=until):
        return True
    return _first_lease(owner, seconds, using=using)


def drop_lease(owner: str, *, using: str) -> None:
    """Give the right to publish back, so that a standby need not wait for it to lapse."""
    RelayLease.objects.using(using).filter(name=LEASE, owner=owner).update(expires_at=Now())


def _first_lease(owner: str, seconds: float, *, using: str) -> bool:
    if RelayLease.objects.using(using).filter(name=LEASE).exists():
        return False
    try:
        with transaction.atomic(using=using):
            RelayLease.objects.using(using).create(
                name=LEASE, owner=owner, token=1, expires_at=Now() + timedelta(seconds=seconds)
            )
    except DatabaseError:
        return False
    return True


def _insert_statement(using: str, rows: int) -> str:
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(name) for name in (*_COLUMNS, "epoch"))
    # The names are this module's own; values travel as parameters.
    epoch = f"(SELECT MAX({quote('value')}) FROM {quote(Epoch._meta.db_table)})"  # noqa: S608, SLF001
    row = f"({', '.join(['%s'] * len(_COLUMNS))}, {epoch})"
    table = quote(OutboxRecord._meta.db_table)  # noqa: SLF001 -- public by documentation
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608


def _waits_statement(using: str) -> str:
    quote = connections[using].ops.quote_name
    table = quote(OutboxRecord._meta.db_table)  # noqa: SLF001 -- public by documentation
    return f"SELECT 1 FROM {table} WHERE id > %s LIMIT 1"  # noqa: S608
