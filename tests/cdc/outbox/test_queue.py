"""The queue of outbox rows and the relay's lease, on each database."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from cdc.errors import Retryable
from cdc.models import OutboxRecord, RelayLease
from cdc.outbox.lease import Lease
from cdc.outbox.queue import OutboxQueue
from tests.cdc.outbox.open_transaction import OpenTransaction
from tests.support.statements import statements

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

COLUMNS = [field.attname for field in OutboxRecord._meta.concrete_fields]


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
    """The id was assigned again after a TRUNCATE."""
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
    """An unlisted row is not committed yet. Databases scan the table to delete over 3 rows."""
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
        with pytest.raises(Retryable, match=r"Database error|is not responding"):
            queue.ids(above=0, limit=1)
        assert connection.connection is None, "the next statement opens a new connection"
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


QUESTIONS: dict[str, Callable[[OutboxQueue], object]] = {
    "delete": lambda queue: queue.delete([1], epoch=1, times=[1]),
    "settled": lambda queue: queue.settled([(1, 2)]),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("error", "refused"),
    [
        ((3572, "Statement aborted because lock(s) could not be acquired immediately"), True),
        ((1205, "Lock wait timeout exceeded; try restarting transaction"), True),
        ((1213, "Deadlock found when trying to get lock"), True),
        ((2006, "Server has gone away"), False),
        ((1206, "The total number of locks exceeds the lock table size"), False),
        ((1290, "The server is running with the --read-only option"), False),
        (("disk I/O error",), False),
        ((), False),
    ],
)
def test_a_lock_is_a_refusal_and_any_other_error_is_retryable(
    queue: OutboxQueue, question: str, error: tuple[object, ...], *, refused: bool
) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError(*error)

    with connection.execute_wrapper(fail):
        if refused:
            assert QUESTIONS[question](queue) is False
        else:
            with pytest.raises(Retryable, match=r"Database error|is not responding"):
                QUESTIONS[question](queue)


def test_several_ranges_are_read_and_settled_together(queue: OutboxQueue) -> None:
    ids = [row().id for _ in range(9)]
    queue.delete([ids[0], ids[1], ids[4], ids[8]], epoch=1, times=[1])

    assert queue.settled([(ids[0], ids[1]), (ids[4], ids[4]), (ids[8], ids[8] + 5)])
    assert not queue.settled([(ids[0], ids[1]), (ids[4], ids[5])])
    assert not queue.settled([(ids[3], ids[4]), (ids[8], ids[8])])
    assert queue.ids_in([(ids[0], ids[2]), (ids[5], ids[6])]) == [ids[2], ids[5], ids[6]]
    assert queue.ids_in([(ids[0], ids[2]), (ids[5], ids[8])], 2) == [ids[2], ids[5]]
    assert queue.ids_in([(ids[0], ids[8])], 0) == []


def test_a_row_without_images_has_the_size_of_the_other_one(queue: OutboxQueue) -> None:
    rows = [row() for _ in range(4)]
    images = [(b"1234", b"12"), (None, b"1"), (b"123", None), (None, None)]
    for one, (before, after) in zip(rows, images, strict=True):
        OutboxRecord.objects.filter(pk=one.pk).update(before=before, after=after)

    found = queue.sizes([one.id for one in reversed(rows)])

    assert found == [(one.id, size) for one, size in zip(rows, (6, 1, 3, 0), strict=True)]


def test_each_request_is_one_statement(queue: OutboxQueue) -> None:
    """Each further statement would be a further round trip."""
    ids = [row().id for _ in range(3)]
    questions: list[Callable[[], object]] = [
        lambda: queue.rows(ids),
        lambda: queue.delete(ids, epoch=1, times=[1]),
        lambda: queue.settled([(ids[0], ids[2])]),
    ]
    for ask in questions:
        with CaptureQueriesContext(connection) as asked:
            ask()
        assert len(asked) == 1


def test_small_rows_are_read_together_with_their_ids(queue: OutboxQueue) -> None:
    rows = [row(key) for key in range(3)]
    OutboxRecord.objects.filter(pk=rows[1].pk).update(before=b"12345", user="kim", epoch=7)
    ids = [one.id for one in rows]

    with statements(connection) as sent:
        assert queue.ids(above=-15, limit=9) == ids
        assert queue.sizes(reversed(ids)) == [(ids[0], 2), (ids[1], 7), (ids[2], 2)]
        found = queue.rows(reversed(ids))

    assert sent() == 1
    assert [{name: getattr(one, name) for name in COLUMNS} for one in found] == list(
        OutboxRecord.objects.values(*COLUMNS)
    )


@pytest.mark.parametrize("others", [[], [5], [5, 6]])
def test_rows_read_ahead_are_returned_once(queue: OutboxQueue, others: list[int]) -> None:
    rows = [row(key) for key in range(3)]
    ids = [one.id for one in rows]

    assert queue.ids(above=-15, limit=9) == ids
    assert queue.rows([*ids, *(ids[-1] + number for number in others)]) == rows
    OutboxRecord.objects.filter(pk=ids[1]).update(key="other", after=b"123")

    assert queue.sizes(ids) == [(ids[0], 2), (ids[1], 3), (ids[2], 2)]
    assert [one.key for one in queue.rows(ids)][1] == "other"


@pytest.mark.parametrize("column", ["before", "after"])
def test_a_large_row_is_not_read_with_the_ids(queue: OutboxQueue, column: str) -> None:
    rows = [row(key) for key in range(20)]
    large = {column: b"x" * 9_000}
    OutboxRecord.objects.filter(pk=rows[1].pk).update(**large)
    ids = [one.id for one in rows]

    def asked_again(above: int) -> bool:
        """Return whether the rows after the large one were not read with their ids."""
        left = OutboxRecord.objects.filter(id__gt=above).values_list("id", flat=True)
        assert queue.ids(above=above, limit=1000) == list(left)
        with statements(connection) as sent:
            assert queue.rows(ids[3:5]) == rows[3:5]
        return sent() > 0

    assert not asked_again(0), "the small rows are known"
    assert asked_again(0), "the large row would be read again"
    assert not asked_again(ids[1]), "only the rows after the large one are read"
    assert not asked_again(0)
    OutboxRecord.objects.filter(pk=ids[1]).delete()
    assert asked_again(0)
    assert not asked_again(0), "the large row is gone, for example after a TRUNCATE"


@pytest.mark.parametrize("number", [31, 32, 33, 100])
def test_many_rows_are_read_in_portions(queue: OutboxQueue, number: int) -> None:
    made = OutboxRecord.objects.bulk_create(
        OutboxRecord(epoch=1, topic="t", key=f"{n}", op="c", ts_ms=1, db="d", table="t")
        for n in range(number)
    )
    ids = list(OutboxRecord.objects.values_list("id", flat=True))

    with statements(connection) as sent:
        assert queue.ids(above=0, limit=1000) == ids
    assert sent() == (1 if number < 32 else 2)
    assert [one.key for one in queue.rows(ids)] == [one.key for one in made]
    assert queue.ids(above=0, limit=33) == ids[:33]
    assert queue.ids(above=0, limit=3) == ids[:3]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_queue_is_of_its_own_database(queue: OutboxQueue) -> None:
    others = OutboxQueue("other")
    mine = row()
    far = row()
    OutboxRecord.objects.filter(pk=far.pk).delete()
    far.pk = mine.pk + 10
    far.save(using="other", force_insert=True)

    assert queue.ids(above=0, limit=9) == [mine.pk]
    assert others.ids(above=0, limit=9) == others.ids_in([(1, far.pk)]) == [far.pk]
    assert others.sizes([mine.pk, far.pk]) == [(far.pk, 2)]
    assert others.rows([mine.pk, far.pk]) == [far]
    assert queue.settled([(far.pk, far.pk)])
    assert not others.settled([(far.pk, far.pk)])
    assert queue.delete([far.pk], epoch=1, times=[1])
    assert others.delete([mine.pk], epoch=1, times=[1])
    assert (queue.ids(above=0, limit=9), others.ids(above=0, limit=9)) == ([mine.pk], [far.pk])
    assert others.take_lease("other", 600)
    assert queue.publisher() == ""
    assert queue.take_lease("mine", 600)
    others.drop_lease("mine")
    assert (queue.publisher(), others.publisher()) == ("mine", "other")
    others.drop_lease("other")
    assert (queue.publisher(), others.publisher()) == ("mine", "")
    others.close()
    assert connections["default"].connection is not None
