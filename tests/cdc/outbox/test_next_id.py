"""`next_id` returns the id that the database will assign next."""

import pytest
from django.db import connection, transaction

from cdc.outbox.next_id import next_id
from tests.cdc.outbox.test_queue import row
from tests.support.outbox_ids import assign_from, drop_and_create, truncate

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def following() -> int:
    found = next_id(using="default")
    assert found is not None
    return found


def test_it_is_the_id_of_the_next_row() -> None:
    row()

    for _ in range(3):
        expected = following()
        assert row().id == expected


def test_an_empty_outbox_continues() -> None:
    last = row()
    last_id = last.id
    last.delete()

    assert following() == last_id + 1
    connection.close()
    assert following() == last_id + 1
    assert row().id == last_id + 1


@pytest.mark.row_locks
def test_an_id_that_was_rolled_back_is_not_assigned_again() -> None:
    with transaction.atomic():
        lost = row().id
        assert following() == lost + 1
        transaction.set_rollback(True)

    assert following() == lost + 1


def test_it_starts_again_with_the_table() -> None:
    row()
    truncate()
    assert following() == 1
    row()
    drop_and_create()
    assert following() == 1
    assert row().id == 1


def test_it_can_be_put_back() -> None:
    for _ in range(5):
        row()
    assign_from(3)

    assert following() == 3
    assert row().id == 3
