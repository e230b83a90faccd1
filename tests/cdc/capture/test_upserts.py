"""Upserts and inserts if rows change during the write, or if the database returns no keys."""

from typing import Any

import pytest
from django.db import connection

from cdc.capture import bulk_create
from cdc.capture.bulk_create import BulkCreate
from cdc.capture.images import images_where
from cdc.capture.instance_state import Recorded, last_recorded
from stories.models import Story
from tests.cdc.capture.events import events, records, replay
from tests.cdc.capture.test_bulk_create import upsert, upsert_any_key
from tests.cdc.capture.world import FREE, story, table
from tests.support.toy.models import Coupon, Label

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_row_that_was_not_found_at_first_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another transaction has inserted the row in the meantime."""
    story(source_id="s", title="first").save()
    find = BulkCreate._conflicting
    calls: list[int] = []

    def find_later(self: BulkCreate, *args: Any) -> Any:
        calls.append(1)
        return find(self, *args) if len(calls) > 2 else {}

    monkeypatch.setattr(BulkCreate, "_conflicting", find_later)
    upsert(story(source_id="s", title="second"))

    assert [(event.op, event.row["title"]) for event in events()] == [
        ("c", "first"),
        ("u", "second"),
    ]
    assert replay(events()) == table()


def test_a_row_that_stops_conflicting_before_its_lock_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Coupon.objects.create(word="a", lot=1)

    def change_first(*args: Any, lock: bool = False, **options: Any) -> Any:
        if lock:
            Coupon.objects.filter(lot=1).update(word="b")
        return images_where(*args, lock=lock, **options)

    monkeypatch.setattr(bulk_create, "images_where", change_first)
    upsert_any_key(Coupon(word="a", lot=None, note="new"), "note")

    rows = Coupon.objects.order_by("pk").values_list("word", "lot", "note")
    assert list(rows) == [("b", 1, ""), ("a", None, "new")]
    assert replay(events()) == table(Coupon)


def test_an_object_keeps_the_key_that_it_was_given() -> None:
    """As in Django, this does not depend on which row the database has updated."""
    story(source_id="s").save()
    (key,) = table()
    one = story(pk=key + 1, source_id="s", title="new")
    upsert_any_key(one, "title")

    assert one.pk == key + 1
    assert last_recorded(one) == Recorded(key=key, outbox_id=records()[-1].id)
    assert [(event.op, event.row["id"], event.row["title"]) for event in events()][1:] == [
        ("u", key, "new")
    ]


def test_a_text_key_names_what_was_not_ignored() -> None:
    Label.objects.create(text="a", size=5)
    Label.objects.bulk_create([Label(text=text, size=7) for text in "bac"], ignore_conflicts=True)

    assert [(event.op, event.row["text"]) for event in events()] == [
        ("c", "a"),
        ("c", "b"),
        ("c", "c"),
    ]
    assert replay(events(), "text") == table(Label)


def test_a_database_that_returns_no_key_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    features = type(connection.features)
    for name in ("can_return_columns_from_insert", "can_return_rows_from_bulk_insert"):
        monkeypatch.setattr(features, name, False)
    one = story(source_id="s")
    Story.objects.bulk_create([one])
    given = story(pk=FREE + one.pk)
    Story.objects.bulk_create([given])

    assert [event.row["id"] for event in events()] == [one.pk, FREE + one.pk]
    assert list(table()) == [one.pk, given.pk]
    assert (one._state.adding, one._state.db) == (False, "default")
