"""The outbox as the relay reads it: a queue of rows, and the lease on the right to publish them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.models import F, QuerySet

from cdc.models import OutboxRecord, RelayLease
from cdc.outbox.progress import Range
from cdc.runtime import lease
from cdc.runtime.database import DatabaseNow, retryable_errors

MOST_IDS = 500
"""Ids in one statement. From 1,000 on, MariaDB no longer looks them up one by one."""
_LEASE_NAME = "relay"
_TABLE = OutboxRecord._meta.db_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to publish."""

    token: int
    """A new token means that the right was not held throughout: others may have published."""
    mark: int
    """Every id up to this one is published or will never be used."""


class OutboxQueue:
    """The pending rows of one database; every method raises Retryable on a database error."""

    def __init__(self, using: str) -> None:
        self._using = using

    def ids(self, *, above: int, limit: int) -> list[int]:
        """Return up to `limit` ids of rows over `above`, lowest first."""
        return [row[0] for row in self._read("id", f"id > {above:d} ORDER BY id LIMIT {limit:d}")]

    def ids_in(self, ranges: Sequence[Range], limit: int | None = None) -> list[int]:
        """Return the ids of the rows in `ranges`, lowest first; no more than `limit`."""
        most = "" if limit is None else f" LIMIT {limit:d}"
        return [row[0] for row in self._read("id", f"{_in_any(ranges)} ORDER BY id{most}")]

    def sizes(self, ids: Iterable[int]) -> list[tuple[int, int]]:
        """Return id and size in bytes of each of these rows that exists, lowest id first."""
        quote = connections[self._using].ops.quote_name
        length = " + ".join(f"COALESCE(LENGTH({quote(name)}), 0)" for name in ("before", "after"))
        rows = self._read(f"id, {length}", f"id IN ({_listed(ids)}) ORDER BY id")
        return [(number, size) for number, size in rows]

    def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
        """Return those of these rows that exist, lowest id first."""
        with retryable_errors(self._using):
            return list(self._rows().filter(id__in=list(ids)).order_by("id"))

    def delete(self, ids: Sequence[int], epoch: int) -> bool:
        """Delete up to `MOST_IDS` acknowledged rows of an epoch; return False if one is locked.

        The epoch must match too: after a flush the same ids belong to other rows. The statement
        commits by itself, and looks the ids up one by one: a scan, or a range that ends just before
        a row that is not committed, would wait for that row.
        """
        statement = f"DELETE FROM {_TABLE}"  # noqa: S608 -- a constant
        if connections[self._using].vendor == "mysql":
            # Only this form of DELETE may name an index.
            statement = f"DELETE {_TABLE} FROM {_TABLE} FORCE INDEX (PRIMARY)"
        condition = f" WHERE epoch = {epoch:d} AND id IN ({_listed(ids)})"
        with retryable_errors(self._using):
            try:
                with connections[self._using].cursor() as cursor:
                    cursor.execute(statement + condition)
            except OperationalError as error:
                if _is_lock_refusal(error):
                    return False
                raise
        return True

    def settled(self, ranges: Sequence[Range]) -> bool:
        """Return whether no row in `ranges` exists or can still be committed.

        A locking read with NOWAIT distinguishes the three cases: a row (committed), an error
        (inserted, not committed), nothing (deleted or rolled back).
        """
        connection = connections[self._using]
        hint = "FORCE INDEX (PRIMARY)" if connection.vendor == "mysql" else ""
        lock = ""
        if connection.features.has_select_for_update:
            nowait = connection.features.has_select_for_update_nowait
            lock = connection.ops.for_update_sql(nowait=nowait)
        statement = f"SELECT id FROM {_TABLE} {hint} WHERE {_in_any(ranges)} LIMIT 1 {lock}"  # noqa: S608
        with retryable_errors(self._using):
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    return cursor.fetchone() is None
            except OperationalError as error:
                if _is_lock_refusal(error):
                    return False
                raise

    def wait_briefly_for_locks(self) -> None:
        """Let this thread's statements wait for a lock for a second instead of fifty."""
        connection = connections[self._using]
        if connection.vendor == "mysql" and connection.connection is None:
            with retryable_errors(self._using), connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")

    def close(self) -> None:
        """Close this thread's connection."""
        connections[self._using].close()

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        """Take the right to publish, or renew the one that is `held`, and store the latter's mark.

        Returns None while another relay has it.
        """
        with retryable_errors(self._using):
            row = self._lease()
            if held is not None:
                # Not once it has expired: a restored database holds an old lease, and a relay that
                # kept its token would keep its mark too.
                ours = row.filter(lease.unexpired(), token=held.token)
                if lease.renew(ours, owner, seconds, mark=held.mark):
                    return held
            taken = lease.take(row, owner, seconds, token=F("token") + 1)
            if not taken and not self._create_lease(owner, seconds):
                return None
            found = row.filter(owner=owner).values_list("token", "mark").first()
            return Lease(token=found[0], mark=found[1]) if found else None

    def drop_lease(self, owner: str) -> None:
        """Release the right to publish, so that a standby need not wait until it expires."""
        with retryable_errors(self._using):
            lease.release(self._lease(), owner)

    def publisher(self) -> str:
        """Return the owner of the right to publish; empty if no relay has it."""
        with retryable_errors(self._using):
            held = self._lease().filter(lease.unexpired())
            return held.values_list("owner", flat=True).first() or ""

    def _create_lease(self, owner: str, seconds: float) -> bool:
        if self._lease().exists():
            return False
        # Not 1: after a flush, a relay must see that its old token is no longer valid.
        token = time.time_ns() // 1_000_000
        try:
            with transaction.atomic(using=self._using):
                RelayLease.objects.using(self._using).create(
                    name=_LEASE_NAME,
                    owner=owner,
                    token=token,
                    expires_at=DatabaseNow() + timedelta(seconds=seconds),
                )
        except IntegrityError:
            return False
        return True

    def _read(self, columns: str, condition: str) -> list[tuple[int, ...]]:
        """Return what the driver returns.

        An idle relay asks more than a hundred times a second, and Django's cursor costs several
        times as much as such a query.
        """
        connection = connections[self._using]
        statement = f"SELECT {columns} FROM {_TABLE} WHERE {condition}"  # noqa: S608 -- numbers
        with retryable_errors(self._using), connection.wrap_database_errors:
            connection.ensure_connection()
            cursor = connection.connection.cursor()
            cursor.execute(statement)
            rows = list(cursor.fetchall())
            cursor.close()
        return rows

    def _rows(self) -> QuerySet[OutboxRecord]:
        return OutboxRecord.objects.using(self._using)

    def _lease(self) -> QuerySet[RelayLease]:
        return RelayLease.objects.using(self._using).filter(name=_LEASE_NAME)


def _in_any(ranges: Iterable[Range]) -> str:
    return f"({' OR '.join(f'id BETWEEN {first:d} AND {last:d}' for first, last in ranges)})"


def _listed(ids: Iterable[int]) -> str:
    return ",".join(f"{number:d}" for number in ids)


def _is_lock_refusal(error: OperationalError) -> bool:
    """Return whether a lock was met: with NOWAIT 3572 on MySQL, else 1205, and 1213 a deadlock."""
    return bool(error.args) and error.args[0] in {3572, 1205, 1213}
