"""The relay's queue and lease, on each database."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection, connections, transaction

from cdc.errors import Retryable
from cdc.models import OutboxRecord, RelayLease
from cdc.outbox.queue import OutboxQueue

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


class OpenTransaction:
    """A row inserted by another connection whose transaction stays open until `end`."""

    def __init__(self) -> None:
        self.inserted, self.finish = threading.Event(), threading.Event()
        self.row: OutboxRecord
        self.commits = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.inserted.wait(60)

    def end(self, *, commit: bool) -> None:
        self.commits = commit
        self.finish.set()
        self._thread.join()

    def _run(self) -> None:
        with transaction.atomic():
            self.row = row()
            self.inserted.set()
            assert self.finish.wait(60)
            transaction.set_rollback(not self.commits)
        connections["default"].close()


@pytest.fixture
def late() -> Iterator[OpenTransaction]:
    other = OpenTransaction()
    yield other
    other.finish.set()


def test_pending_rows_are_above_the_mark_and_lowest_id_first(queue: OutboxQueue) -> None:
    ids = [row().id for _ in range(5)]

    assert [item.id for item in queue.pending(above=ids[1], limit=2)] == ids[2:4]
    assert queue.waits(above=ids[3])
    assert not queue.waits(above=ids[4])


def test_acknowledging_deletes_exactly_those_rows(queue: OutboxQueue) -> None:
    rows = [row() for _ in range(5)]

    queue.acknowledge([rows[0], rows[3]])

    assert list(OutboxRecord.objects.all()) == [rows[1], rows[2], rows[4]]


def test_a_row_of_another_epoch_under_the_same_id_stays(queue: OutboxQueue) -> None:
    old = row()
    OutboxRecord.objects.filter(pk=old.pk).update(epoch=old.epoch + 1)

    queue.acknowledge([old])

    assert OutboxRecord.objects.filter(pk=old.pk).exists()


def test_more_rows_than_one_statement_allows_are_acknowledged(queue: OutboxQueue) -> None:
    OutboxRecord.objects.bulk_create(
        OutboxRecord(epoch=1, topic="t", key="{}", op="c", ts_ms=1, db="d", table="t")
        for _ in range(1300)
    )

    queue.acknowledge(list(OutboxRecord.objects.all()))

    assert not OutboxRecord.objects.exists()


def test_a_range_is_settled_when_its_rows_are_gone(queue: OutboxQueue) -> None:
    rows = [row() for _ in range(3)]
    queue.acknowledge(rows[:2])

    assert queue.settled(above=0, upto=rows[1].id)
    assert not queue.settled(above=0, upto=rows[2].id)


@pytest.mark.row_locks
def test_a_row_that_is_not_committed_keeps_its_range_unsettled(
    queue: OutboxQueue, late: OpenTransaction
) -> None:
    later = row()
    queue.acknowledge([later])

    assert not queue.settled(above=0, upto=later.id)
    late.end(commit=True)
    assert not queue.settled(above=0, upto=later.id)
    assert [item.id for item in queue.pending(above=0, limit=9)] == [late.row.id]
    assert late.row.id < later.id


@pytest.mark.row_locks
def test_a_row_that_was_rolled_back_settles(queue: OutboxQueue, late: OpenTransaction) -> None:
    later = row()
    queue.acknowledge([later])

    late.end(commit=False)

    assert queue.settled(above=0, upto=later.id)


def test_one_owner_holds_the_lease_until_it_expires_or_is_released(queue: OutboxQueue) -> None:
    token = queue.take_lease("a", 30)
    assert token
    assert queue.take_lease("a", 30) == token
    assert queue.take_lease("b", 30) is None

    queue.drop_lease("b")
    assert queue.take_lease("b", 30) is None
    queue.drop_lease("a")
    assert queue.take_lease("b", -1) == token + 1
    assert queue.take_lease("a", 30) == token + 2
    assert RelayLease.objects.get().token == token + 2


def test_an_expired_lease_has_a_new_token_for_its_old_owner_too(queue: OutboxQueue) -> None:
    """A restored database holds an old lease: its owner must notice."""
    token = queue.take_lease("a", -1)

    assert token
    assert queue.take_lease("a", 30) == token + 1


def test_a_database_error_is_retryable(queue: OutboxQueue) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cdc_outbox RENAME TO cdc_outbox_away")
    try:
        with pytest.raises(Retryable, match="Database error"):
            queue.waits(above=0)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cdc_outbox_away RENAME TO cdc_outbox")
