"""The outbox as the relay reads it: a queue of rows, and the lease on the right to publish them."""

import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from cdc.models import OutboxRecord, RelayLease
from cdc.runtime import lease
from cdc.runtime.database import retryable_errors

_LEASE_NAME = "relay"
_IDS_PER_DELETE = 500
_TABLE = OutboxRecord._meta.db_table


class OutboxQueue:
    """The pending rows of one database; every method raises Retryable on a database error."""

    def __init__(self, using: str) -> None:
        self._using = using

    def waits(self, *, above: int) -> bool:
        """Return whether any row has an id over `above`.

        An idle relay calls this more than a hundred times a second, so it uses the driver directly:
        Django's cursor costs several times as much as the query.
        """
        connection = connections[self._using]
        statement = f"SELECT 1 FROM {_TABLE} WHERE id > {above:d} LIMIT 1"  # noqa: S608 -- a number
        with retryable_errors(self._using), connection.wrap_database_errors:
            connection.ensure_connection()
            cursor = connection.connection.cursor()
            cursor.execute(statement)
            found = cursor.fetchone()
            cursor.close()
        return found is not None

    def pending(self, *, above: int, limit: int) -> list[OutboxRecord]:
        """Return up to `limit` rows with an id over `above`, lowest id first."""
        with retryable_errors(self._using):
            return list(self._rows().filter(id__gt=above).order_by("id")[:limit])

    def acknowledge(self, rows: Sequence[OutboxRecord]) -> None:
        """Delete exactly these rows, which Kafka has acknowledged.

        The epoch must match too: after a flush the same ids belong to other rows. Each statement
        commits by itself: a relay suspended between two must not hold locks that the next relay
        waits for.
        """
        with retryable_errors(self._using):
            for epoch in sorted({row.epoch for row in rows}):
                ids = sorted(row.id for row in rows if row.epoch == epoch)
                for start in range(0, len(ids), _IDS_PER_DELETE):
                    chunk = self._rows().filter(
                        epoch=epoch, id__in=ids[start : start + _IDS_PER_DELETE]
                    )
                    chunk._raw_delete(self._using)  # noqa: SLF001 -- delete() opens a transaction

    def settled(self, *, above: int, upto: int) -> bool:
        """Return whether no row in (above, upto] exists or can still be committed.

        Ids are assigned at the insert but visible only after the commit, so a lower id can appear
        after a higher one. A locking read with NOWAIT distinguishes the three cases: a row
        (committed), an error (inserted, not committed), nothing (deleted or rolled back).
        """
        rows = self._rows().filter(id__gt=above, id__lte=upto).order_by("id")
        nowait = connections[self._using].features.has_select_for_update_nowait
        with retryable_errors(self._using):
            try:
                with transaction.atomic(using=self._using):
                    locked = rows.select_for_update(nowait=nowait).values_list("id", flat=True)
                    return not locked[:1]
            except OperationalError as error:
                if _is_lock_refusal(error):
                    return False
                raise

    def take_lease(self, owner: str, seconds: float) -> int | None:
        """Take or renew the right to publish; return its token, None while another relay has it.

        A new token means that the right was not held throughout: another relay may have published.
        """
        with retryable_errors(self._using):
            row = self._lease()
            if not (
                # Not once it has expired: a restored database holds an old lease, and a relay that
                # kept its token would keep its low-water mark too.
                lease.renew(row.filter(lease.unexpired()), owner, seconds)
                or lease.take(row, owner, seconds, token=F("token") + 1)
                or self._create_lease(owner, seconds)
            ):
                return None
            return row.filter(owner=owner).values_list("token", flat=True).first()

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
                    expires_at=Now() + timedelta(seconds=seconds),
                )
        except IntegrityError:
            return False
        return True

    def _rows(self) -> QuerySet[OutboxRecord]:
        return OutboxRecord.objects.using(self._using)

    def _lease(self) -> QuerySet[RelayLease]:
        return RelayLease.objects.using(self._using).filter(name=_LEASE_NAME)


def _is_lock_refusal(error: OperationalError) -> bool:
    """Return whether NOWAIT found a lock: 3572 on MySQL, 1205 on MariaDB."""
    return bool(error.args) and error.args[0] in {3572, 1205}
