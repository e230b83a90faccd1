"""The queue of outbox rows and the relay's lease, on each database."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import connection, transaction

from cdc.errors import Retryable
from cdc.models import OutboxRecord, RelayLease
from cdc.outbox.lease import Lease
from cdc.outbox.queue import OutboxQueue
from tests.cdc.outbox.open_transaction import OpenTransaction

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def queue() -> OutboxQueue:
    return OutboxQueue("default")


def row(key: int = 1) -> OutboxRecord:
    return OutboxRecord.objects.create(
        epoch=1,
        topic="story-events",
        key=f'{{"id":{key}}}',
        op="c",
        after=b"{}",
        ts_ms=1,
        db="d",
        table="stories_story",
    )


@pytest.fixture
def late() -> Iterator[OpenTransaction]:
    other = OpenTransaction(row)
    yield other
    other.end(commit=False)


def test_pending_rows_are_above_the_mark_and_lowest_id_first(queue: OutboxQueue) -> None:
    ids = [row().id for _ in range(5)]

    assert queue.ids(above=ids[1], limit=2) == ids[2:4]
    assert queue.ids(above=ids[4], limit=2) == []
    assert queue.ids_in([(ids[0], ids[1]), (ids[3], ids[4])]) == [ids[0], ids[1], ids[3], ids[4]]
    assert queue.ids_in([(ids[0], ids[4])], 2) == ids[:2]


def test_sizes_and_rows_are_read_by_id(queue: OutboxQueue) -> None:
    rows = [row() for _ in range(3)]
    OutboxRecord.objects.filter(pk=rows[2].pk).update(before=b"12345", after=None)

    assert queue.sizes([rows[0].id, rows[2].id]) == [(rows[0].id, 2), (rows[2].id, 5)]
    assert queue.rows([rows[0].id, rows[2].id, rows[2].id + 99]) == [rows[0], rows[2]]


def test_exactly_the_listed_rows_are_deleted(queue: OutboxQueue) -> None:
    rows = [row() for _ in range(5)]

    assert queue.delete([rows[0].id, rows[3].id], epoch=1, times=[1])

    assert list(OutboxRecord.objects.all()) == [rows[1], rows[2], rows[4]]


def test_a_row_of_another_epoch_under_the_same_id_stays(queue: OutboxQueue) -> None:
    old = row()
    OutboxRecord.objects.filter(pk=old.pk).update(epoch=old.epoch + 1)

    assert queue.delete([old.id], epoch=old.epoch, times=[1])

    assert OutboxRecord.objects.filter(pk=old.pk).exists()


def test_a_row_of_another_time_under_the_same_id_stays(queue: OutboxQueue) -> None:
    """After a TRUNCATE."""
    rows = [row() for _ in range(3)]
    OutboxRecord.objects.filter(pk=rows[1].pk).update(ts_ms=2)

    assert queue.delete([item.id for item in rows], epoch=1, times=[1, 1, 3])

    assert list(OutboxRecord.objects.all()) == [rows[1]]


def test_a_range_is_settled_when_its_rows_are_gone(queue: OutboxQueue) -> None:
    rows = [row() for _ in range(3)]
    queue.delete([item.id for item in rows[:2]], epoch=1, times=[1])

    assert queue.settled([(1, rows[1].id)])
    assert not queue.settled([(1, rows[2].id)])


@pytest.mark.row_locks
def test_a_row_that_is_not_committed_keeps_its_range_unsettled(
    queue: OutboxQueue, late: OpenTransaction
) -> None:
    later = row()
    queue.delete([later.id], epoch=1, times=[1])

    assert not queue.settled([(1, later.id)])
    late.end(commit=True)
    assert not queue.settled([(1, later.id)])
    assert queue.ids(above=0, limit=9) == [late.made.id]
    assert late.made.id < later.id


@pytest.mark.row_locks
def test_a_row_that_was_rolled_back_settles(queue: OutboxQueue, late: OpenTransaction) -> None:
    later = row()
    queue.delete([later.id], epoch=1, times=[1])

    late.end(commit=False)

    assert queue.settled([(1, later.id)])


def test_one_owner_holds_the_lease_until_it_expires_or_is_released(queue: OutboxQueue) -> None:
    first = queue.take_lease("a", 30)
    assert first
    assert queue.take_lease("a", 30, first) == first
    assert queue.take_lease("b", 30) is None

    queue.drop_lease("b")
    assert queue.take_lease("b", 30) is None
    queue.drop_lease("a")
    second = queue.take_lease("b", -1)
    assert second == Lease(token=first.token + 1, mark=0)
    assert queue.take_lease("a", 30) == Lease(token=first.token + 2, mark=0)
    assert RelayLease.objects.get().token == first.token + 2


def test_an_expired_lease_has_a_new_token_for_its_old_owner_too(queue: OutboxQueue) -> None:
    """A restored database may contain an old lease. Its owner must notice the restore."""
    first = queue.take_lease("a", -1)

    assert first
    assert queue.take_lease("a", 30, first) == Lease(token=first.token + 1, mark=0)


def test_a_lease_of_another_token_is_not_renewed(queue: OutboxQueue) -> None:
    first = queue.take_lease("a", 30)
    assert first
    RelayLease.objects.update(token=first.token - 5)

    assert queue.take_lease("a", 30, first) == Lease(token=first.token - 4, mark=0)


def test_a_renewal_stores_the_mark_for_the_successor(queue: OutboxQueue) -> None:
    first = queue.take_lease("a", 30)
    assert first
    queue.take_lease("a", 30, replace(first, mark=77))
    assert queue.take_lease("b", 30, Lease(token=first.token, mark=99)) is None

    queue.drop_lease("a")
    assert queue.take_lease("b", 30) == Lease(token=first.token + 1, mark=77)


@pytest.mark.row_locks
@pytest.mark.parametrize("rows", [3, 30, 300])
def test_a_delete_does_not_wait_for_rows_that_are_not_listed(queue: OutboxQueue, rows: int) -> None:
    """An open transaction has inserted an unlisted row. Databases scan to delete over 3 rows."""
    below = [row().id for _ in range(rows)]
    late = OpenTransaction(row)
    try:
        above = [row().id for _ in range(rows)]
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 50")

        assert queue.delete([*below, *above], epoch=1, times=[1])
        assert OutboxRecord.objects.count() == 0
    finally:
        late.end(commit=True)


@pytest.mark.row_locks
def test_a_delete_of_a_locked_row_is_refused_after_a_second(queue: OutboxQueue) -> None:
    locked = row()
    refused: list[bool] = []

    def delete() -> None:
        queue.wait_briefly_for_locks()
        refused.append(queue.delete([locked.id], epoch=1, times=[1]))
        queue.close()

    with transaction.atomic():
        OutboxRecord.objects.select_for_update().get(pk=locked.pk)
        thread = threading.Thread(target=delete)
        thread.start()
        thread.join(60)

    assert refused == [False]
    assert OutboxRecord.objects.exists()


def test_a_database_error_is_retryable(queue: OutboxQueue) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cdc_outbox RENAME TO cdc_outbox_away")
    try:
        with pytest.raises(Retryable, match="Database error"):
            queue.ids(above=0, limit=1)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cdc_outbox_away RENAME TO cdc_outbox")


def test_the_publisher_is_the_owner_of_a_lease_that_has_not_expired(queue: OutboxQueue) -> None:
    assert queue.publisher() == ""
    assert queue.take_lease("a", -1)
    assert queue.publisher() == ""
    assert queue.take_lease("b", 30)
    assert queue.publisher() == "b"
    queue.drop_lease("a")
    assert queue.publisher() == "b"
    queue.drop_lease("b")
    assert queue.publisher() == ""


def test_a_lease_that_was_flushed_has_another_token(queue: OutboxQueue) -> None:
    first = queue.take_lease("a", 30)
    assert first
    RelayLease.objects.all().delete()

    again = queue.take_lease("a", 30, replace(first, mark=50))

    assert again
    assert again.token > first.token
    assert again.mark == 0, "the ids begin again"
