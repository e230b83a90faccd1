"""What writers insert into the outbox, and what others read from it."""

import time
from dataclasses import asdict, replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cdc.errors import Refused
from cdc.models import Epoch, OutboxRecord, RelayLease
from cdc.outbox import table as outbox
from cdc.outbox.table import Depth, Entry

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def entry(number: int = 1, **changes: Any) -> Entry:
    entry = Entry(
        topic=f"topic {number}",
        key=f'{{"id":{number}}}',
        op="u",
        before=b'{"id":%d,"old":1}' % number,
        after=b'{"id":%d,"new":2}' % number,
        ts_ms=1_764_000_000_000 + number,
        db="storyfeed",
        table="stories_story",
        user=f"user {number}",
        traceparent=f"00-{number}",
    )
    return replace(entry, **changes)


def inserted() -> list[OutboxRecord]:
    return list(OutboxRecord.objects.order_by("id"))


def as_entry(row: OutboxRecord) -> Entry:
    values = {name: getattr(row, name) for name in asdict(entry())}
    for name in ("before", "after"):
        values[name] = None if values[name] is None else bytes(values[name])
    return Entry(**values)


def test_entries_are_inserted_unchanged_in_order_with_the_epoch() -> None:
    entries = [entry(1), entry(2, op="c", before=None), entry(3, op="d", after=None)]

    lowest = outbox.add(entries, using="default")

    rows = inserted()
    assert [as_entry(row) for row in rows] == entries
    assert [row.id for row in rows] == [lowest, lowest + 1, lowest + 2]
    assert {row.epoch for row in rows} == {outbox.current_epoch(using="default")}


def test_nothing_to_insert_has_no_id() -> None:
    assert outbox.add([], using="default") == 0
    assert inserted() == []


def test_the_epoch_is_the_highest_one() -> None:
    """As after a merge of two databases. Changes in a lower epoch might be published already."""
    Epoch.objects.all().delete()
    for value in (7, 9, 8):
        Epoch.objects.create(value=value)

    outbox.add([entry()], using="default")

    assert [row.epoch for row in inserted()] == [9]
    assert outbox.current_epoch(using="default") == 9


def test_a_new_database_gets_its_first_epoch_from_a_write() -> None:
    Epoch.objects.all().delete()
    before = time.time_ns() // 1_000_000

    with transaction.atomic():
        outbox.add([entry(number) for number in range(60)], using="default")
        outbox.add([entry()], using="default")

    (epoch,) = Epoch.objects.values_list("value", flat=True)
    assert before <= epoch <= time.time_ns() // 1_000_000
    assert [row.epoch for row in inserted()] == [epoch] * 61


def test_a_first_epoch_that_is_rolled_back_leaves_none() -> None:
    Epoch.objects.all().delete()

    with transaction.atomic():
        outbox.add([entry()], using="default")
        transaction.set_rollback(True)

    assert (Epoch.objects.count(), inserted()) == (0, [])


def test_nothing_is_inserted_while_the_epoch_is_missing() -> None:
    """Only the relay knows which versions it has published."""
    Epoch.objects.all().delete()
    RelayLease.objects.create(name="relay", expires_at=timezone.now())

    with pytest.raises(Refused, match="new_epoch"), transaction.atomic():
        outbox.add([entry()], using="default")

    assert (Epoch.objects.count(), inserted()) == (0, [])


def test_another_violation_is_still_the_database_s_error() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        outbox.add([entry(user=None)], using="default")


def statements(entries: list[Entry]) -> list[list[str]]:
    """Insert entries, and return the keys that each INSERT wrote."""
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        lowest = outbox.add(entries, using="default")
    rows = inserted()
    assert [row.key for row in rows] == [each.key for each in entries]
    assert lowest == rows[0].id, "the lowest id of all statements"
    inserts = [each["sql"] for each in captured if each["sql"].startswith("INSERT")]
    return [[row.key for row in rows if _quoted(row.key) in sql] for sql in inserts]


def _quoted(key: str) -> str:
    return key if connection.vendor == "sqlite" else key.replace('"', '\\"')


@pytest.mark.parametrize(
    ("rows", "of_each"),
    [(1, [1]), (49, [49]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])],
)
def test_a_statement_inserts_up_to_fifty_rows(rows: int, of_each: list[int]) -> None:
    found = statements([entry(number) for number in range(1, rows + 1)])

    assert [len(keys) for keys in found] == of_each


@pytest.mark.parametrize(
    ("sizes", "of_each"),
    [
        ([(500_000, 500_000), (0, 0)], [2]),
        ([(500_000, 499_999), (1, 0), (0, 1)], [2, 1]),
        ([(0, 500_000), (500_000, 1)], [1, 1]),
        ([(900_000, 900_000), (1, 1)], [1, 1]),
        ([(1, 1), (900_000, 900_000), (400_000, 400_000), (100_000, 100_000)], [1, 1, 2]),
    ],
)
def test_a_statement_inserts_up_to_a_million_bytes_of_rows(
    sizes: list[tuple[int, int]], of_each: list[int]
) -> None:
    found = statements(
        [
            entry(number, before=b"b" * before or None, after=b"a" * after or None)
            for number, (before, after) in enumerate(sizes, 1)
        ]
    )

    assert [len(keys) for keys in found] == of_each


def test_those_ids_that_exist_are_known() -> None:
    lowest = outbox.add([entry(number) for number in range(3)], using="default")
    OutboxRecord.objects.filter(id=lowest + 1).delete()

    found = outbox.existing(range(lowest, lowest + 5), using="default")

    assert found == {lowest, lowest + 2}
    assert outbox.existing([], using="default") == set()
    assert outbox.existing([lowest + 1], using="default") == set()


def test_the_depth_is_the_number_of_rows_and_the_oldest_capture() -> None:
    assert outbox.depth(using="default") == Depth(rows=0, oldest_ms=None)

    outbox.add([entry(ts_ms=30), entry(ts_ms=10), entry(ts_ms=20)], using="default")

    assert outbox.depth(using="default") == Depth(rows=3, oldest_ms=10)


def test_a_first_epoch_is_begun_only_once() -> None:
    Epoch.objects.all().delete()
    assert outbox.current_epoch(using="default") is None

    outbox.ensure_epoch(77, using="default")
    outbox.ensure_epoch(88, using="default")

    assert list(Epoch.objects.values_list("value", flat=True)) == [77]


def test_the_first_epoch_of_an_empty_table_is_now() -> None:
    Epoch.objects.all().delete()

    assert outbox.begin_epoch(5, using="default") == 5
    Epoch.objects.all().delete()
    assert outbox.begin_epoch(0, using="default") == 1, "above 0, which no epoch has"


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_database_has_its_own_outbox_and_epoch() -> None:
    before = outbox.current_epoch(using="default")
    later = (before or 0) + 10**6

    assert outbox.begin_epoch(later, using="other") == later
    lowest = outbox.add([entry(1), entry(2)], using="other")

    assert [row.epoch for row in OutboxRecord.objects.using("other")] == [later] * 2
    assert outbox.existing([lowest, lowest + 1], using="other") == {lowest, lowest + 1}
    assert outbox.existing([lowest, lowest + 1], using="default") == set()
    assert outbox.depth(using="other") == Depth(rows=2, oldest_ms=1_764_000_000_001)
    assert outbox.depth(using="default").rows == 0
    assert outbox.current_epoch(using="other") == later
    assert outbox.current_epoch(using="default") == before
    Epoch.objects.using("other").all().delete()
    outbox.ensure_epoch(5, using="other")
    assert outbox.current_epoch(using="other") == 5
    assert list(Epoch.objects.values_list("value", flat=True)) == [before]
