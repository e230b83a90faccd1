"""The outbox as the relay sees it: a queue, and a lease on the right to publish from it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, IntegrityError, OperationalError, connections, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from cdc.dead_letters.store import keep
from cdc.errors import Retryable
from cdc.models import DeadLetter, OutboxRecord, RelayLease
from cdc.wire.records import Outgoing

LEASE = "relay"
RELAY_GROUP = "relay"
"""The group under which rows that Kafka rejected are dead letters."""
_IDS_PER_DELETE = 500
_TABLE = OutboxRecord._meta.db_table


class OutboxQueue:
    """The waiting rows of one database; every method raises Retryable while it is away."""

    def __init__(self, using: str) -> None:
        self._using = using

    def waits(self, *, above: int) -> bool:
        """Return whether any row has an id over `above`; the cheapest question there is.

        An idle relay asks it more than a hundred times a second, so it goes to the driver itself:
        Django's cursor costs several times what the driver and the database do.
        """
        connection = connections[self._using]
        statement = f"SELECT 1 FROM {_TABLE} WHERE id > {above:d} LIMIT 1"  # noqa: S608 -- a number
        try:
            with connection.wrap_database_errors:
                connection.ensure_connection()
                cursor = connection.connection.cursor()
                cursor.execute(statement)
                found = cursor.fetchone()
                cursor.close()
        except Error as error:
            raise self._away(error) from error
        return found is not None

    def pending(self, *, above: int, limit: int) -> list[OutboxRecord]:
        """Return up to `limit` waiting rows with an id over `above`, lowest id first."""
        with self._reaching():
            return list(self._rows().filter(id__gt=above).order_by("id")[:limit])

    def acknowledge(self, rows: Sequence[OutboxRecord]) -> None:
        """Delete exactly these rows: Kafka has them.

        By epoch as well: after a flush the same ids are other rows, which Kafka does not have. And
        each statement by itself: a relay that is suspended between two statements must not hold
        locks that the next one waits for.
        """
        with self._reaching():
            for epoch in sorted({row.epoch for row in rows}):
                ids = sorted(row.id for row in rows if row.epoch == epoch)
                for start in range(0, len(ids), _IDS_PER_DELETE):
                    chunk = self._rows().filter(
                        epoch=epoch, id__in=ids[start : start + _IDS_PER_DELETE]
                    )
                    chunk._raw_delete(self._using)  # noqa: SLF001 -- delete() opens a transaction

    def settled(self, *, above: int, upto: int) -> bool:
        """Return whether no row in (above, upto] is there or can still be committed.

        Ids are given when rows are inserted and seen when they are committed, so a lower id can
        appear after a higher one. A locking read that does not wait tells the three cases apart:
        a row (committed, waiting), an error (inserted, not committed), nothing (gone or rolled
        back).
        """
        rows = self._rows().filter(id__gt=above, id__lte=upto).order_by("id")
        nowait = connections[self._using].features.has_select_for_update_nowait
        with self._reaching():
            try:
                with transaction.atomic(using=self._using):
                    locked = rows.select_for_update(nowait=nowait).values_list("id", flat=True)
                    return not locked[:1]
            except OperationalError as error:
                if _is_lock_refusal(error):
                    return False
                raise

    def take_lease(self, owner: str, seconds: float) -> int | None:
        """Take or renew the right to publish, by the database's clock; None if another has it.

        Returns the lease's token, which rises whenever the right is taken anew.
        """
        until = Now() + timedelta(seconds=seconds)
        with self._reaching():
            ours = self._lease().filter(owner=owner, expires_at__gt=Now())
            free = self._lease().filter(expires_at__lte=Now())
            if not (
                ours.update(expires_at=until)
                or free.update(owner=owner, token=F("token") + 1, expires_at=until)
                or self._first_lease(owner, seconds)
            ):
                return None
            return self._lease().filter(owner=owner).values_list("token", flat=True).first()

    def drop_lease(self, owner: str) -> None:
        """Give the right to publish back, so that a standby need not wait for it to lapse."""
        with self._reaching():
            self._lease().filter(owner=owner).update(expires_at=Now())

    def publisher(self) -> str:
        """Return who holds the right to publish; empty when nobody does."""
        with self._reaching():
            held = self._lease().filter(expires_at__gt=Now())
            return held.values_list("owner", flat=True).first() or ""

    def reject(self, record: OutboxRecord, sent: Outgoing, reason: str) -> None:
        """Keep a row that Kafka will never take as a dead letter, once, as it was sent."""
        letter = DeadLetter(
            group=RELAY_GROUP,
            topic=record.topic,
            partition=-1,
            offset=record.id,
            table=record.table,
            reason=reason,
        )
        with self._reaching():
            keep(letter, sent.key, sent.value, using=self._using)

    def _first_lease(self, owner: str, seconds: float) -> bool:
        if self._lease().exists():
            return False
        # Not 1: after a flush a relay must see that its old right is gone, with all it believes.
        token = time.time_ns() // 1_000_000
        try:
            with transaction.atomic(using=self._using):
                RelayLease.objects.using(self._using).create(
                    name=LEASE,
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
        return RelayLease.objects.using(self._using).filter(Q(name=LEASE))

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except Error as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Retryable:
        # A broken connection is not mended by using it again.
        connections[self._using].close()
        return Retryable(
            f"The database did not do its part ({error}): see that it is up and migrated."
        )


def _is_lock_refusal(error: OperationalError) -> bool:
    """Return whether NOWAIT met a lock: 3572 on MySQL, 1205 on MariaDB."""
    return bool(error.args) and error.args[0] in {3572, 1205}
