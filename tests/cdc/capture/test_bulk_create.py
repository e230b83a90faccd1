"""`bulk_create` during concurrent inserts. Each updated row has a before-image."""

from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from cdc.capture.bulk_create import BulkCreate
from cdc.capture.instance_state import Recorded, last_recorded
from cdc.capture.queryset import CapturedQuerySet
from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.elsewhere import elsewhere
from tests.cdc.capture.events import events, forget, records, replay
from tests.cdc.capture.world import FREE, story, table
from tests.support.toy.models import Coupon, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def upsert(one: Story) -> None:
    wanted = connection.features.supports_update_conflicts_with_target
    target: dict[str, Any] = {"unique_fields": ["source_id"]} if wanted else {}
    Story.objects.bulk_create([one], update_conflicts=True, update_fields=["title"], **target)


@pytest.mark.skipif("sqlite" in connection.vendor, reason="SQLite allows one writer at a time")
def test_a_row_inserted_in_between_is_updated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_conflicts = BulkCreate._conflicting
    inserted: list[Story] = []

    def find_and_insert(self: BulkCreate, *args: Any) -> Any:
        found = find_conflicts(self, *args)
        if not inserted:
            inserted.append(story(source_id="s", title="first"))
            elsewhere(inserted[0].save)
        return found

    monkeypatch.setattr(BulkCreate, "_conflicting", find_and_insert)
    upsert(story(source_id="s", title="second"))

    assert [(event.op, event.row["title"]) for event in events()] == [
        ("c", "first"),
        ("u", "second"),
    ]
    assert replay(events()) == table()


def test_an_unexpected_conflict_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    story(source_id="s").save()
    monkeypatch.setattr(BulkCreate, "_conflicting", lambda *_: {})

    with pytest.raises(IntegrityError):
        upsert(story(source_id="s", title="second"))

    assert [event.op for event in events()] == ["c"]


def test_objects_have_their_keys_on_every_database() -> None:
    rows = [story(source_id=str(n)) for n in range(7)]
    Story.objects.bulk_create(rows, batch_size=3)

    assert [Story.objects.get(pk=row.pk).source_id for row in rows] == [str(n) for n in range(7)]
    assert not any(row._state.adding for row in rows)


def test_a_bulk_create_is_one_transaction() -> None:
    story(source_id="6").save()
    with pytest.raises(IntegrityError):
        Story.objects.bulk_create((story(source_id=str(n)) for n in range(7)), batch_size=2)
    with transaction.atomic():
        Story.objects.bulk_create([story()])
        transaction.set_rollback(True)

    assert [event.op for event in events()] == ["c"]
    assert replay(events()) == table()


def test_the_queryset_s_own_method_inserts() -> None:
    assert isinstance(Story.objects.all(), CapturedQuerySet)
    assert Story.objects.bulk_create(iter([story()]))[0].pk is not None


def upsert_any_key(one: Any, *fields: str) -> None:
    """Upsert without a target, as MySQL's users do; it works on every database."""
    capture = registry.find(type(one))
    assert capture is not None
    rows: QuerySet[Any] = QuerySet(type(one), using="default")
    options = {"update_conflicts": True, "update_fields": list(fields), "unique_fields": None}
    with transaction.atomic():
        BulkCreate(capture=capture, insert=rows.bulk_create, using="default").run([one], options)


def test_without_a_target_the_row_of_any_key_is_updated() -> None:
    first, second = Coupon(word="a", lot=1), Coupon(word="b", shelf=1, place=1, lot=2)
    Coupon.objects.bulk_create([first, second])
    one = Coupon.objects.get(word="a")
    for changed in (
        Coupon(word="a", lot=None, note="by word"),
        Coupon(lot=1, note="by lot"),
        Coupon(pk=one.pk, lot=None, note="by key"),
    ):
        upsert_any_key(changed, "note")
        assert Coupon.objects.get(pk=one.pk).note == changed.note
        assert (changed.pk, changed._state.adding, changed._state.db) == (one.pk, False, "default")
        assert last_recorded(changed) == Recorded(key=one.pk, outbox_id=records()[-1].id)
    upsert_any_key(Coupon(shelf=1, place=1, lot=None, note="by shelf"), "note", "lot")

    rows = Coupon.objects.order_by("pk").values_list("word", "lot", "shelf", "note")
    assert list(rows) == [("a", 1, None, "by key"), ("b", None, 1, "by shelf")]
    assert [event.op for event in events()] == ["c", "c", "u", "u", "u", "u"]
    assert replay(events()) == table(Coupon)


def test_without_a_target_a_row_that_conflicts_with_nothing_is_inserted() -> None:
    Coupon.objects.create(word="a", shelf=1, lot=1, rank=1, place=-1)
    for _ in "ab":
        upsert_any_key(Coupon(shelf=1, lot=None, note="new"), "note")
    # Nothing conflicts: `lot` is null, `rank` is unique on a condition, and `size` is not unique.
    upsert_any_key(Coupon(rank=1, lot=None, note="new", size=7), "note")

    assert [event.op for event in events()] == ["c"] * 4
    assert Coupon.objects.get(word="a").note == ""


def test_without_a_target_a_conflict_in_an_expression_is_found() -> None:
    Coupon.objects.create(slug="Two", shelf=2, lot=None)
    one = Coupon.objects.create(slug="One", shelf=1, lot=None)
    upsert_any_key(Coupon(slug="oNE", shelf=1, note="new", lot=None), "note")
    upsert_any_key(Coupon(slug="two", shelf=1, note="new", lot=None), "note")

    # MariaDB has no keys on expressions, so Django creates none.
    keyed = connection.features.supports_expression_indexes
    assert [event.op for event in events()] == ["c", "c", "u" if keyed else "c", "c"]
    assert (events()[2].row["id"] == one.pk) is keyed
    assert replay(events()) == table(Coupon)


def test_the_primary_key_counts_before_keys_that_may_be_null() -> None:
    Coupon.objects.bulk_create([Coupon(word="a", lot=1), Coupon(word="b", lot=2)])
    second = Coupon.objects.get(word="b")

    upsert_any_key(Coupon(pk=second.pk, word="a", lot=1, note="new"), "note")

    assert list(Coupon.objects.order_by("pk").values_list("note", flat=True)) == ["", "new"]


def test_a_key_without_null_counts_before_one_that_may_be_null() -> None:
    Toy.objects.bulk_create([Toy(name="a", code=UUID(int=1)), Toy(name="b", code=UUID(int=2))])

    upsert_any_key(Toy(name="b", code=UUID(int=1), place=7), "place")

    assert list(Toy.objects.order_by("pk").values_list("place", flat=True)) == [None, 7]


def test_a_target_limits_which_conflicts_count() -> None:
    Coupon.objects.bulk_create([Coupon(word="a", lot=1), Coupon(word="b", lot=2)])
    forget()
    capture = registry.find(Coupon)
    assert capture is not None
    bulk = BulkCreate(capture=capture, insert=QuerySet(Coupon).bulk_create, using="default")

    with transaction.atomic():
        found = bulk._conflicting(Coupon(word="a", lot=2), ["lot"])

    assert [image["word"] for image in found.values()] == ["b"]


def test_an_upserted_object_is_the_row() -> None:
    story(source_id="s").save()
    (key,) = table()
    for one in (story(source_id="s", title="x"), story(source_id="s", pk=key, title="y")):
        upsert(one)
        assert (one.pk, one._state.adding, one._state.db) == (key, False, "default")
        assert last_recorded(one) == Recorded(key=key, outbox_id=records()[-1].id)
    new = story(source_id="new")
    upsert(new)

    assert [event.op for event in events()] == ["c", "u", "u", "c"]
    assert (new.pk, new._state.adding) == (events()[3].row["id"], False)
    assert last_recorded(new) == Recorded(key=new.pk, outbox_id=records()[-1].id)


def test_an_object_that_is_inserted_again_has_its_new_change() -> None:
    """Otherwise, `wait_until_applied` would wait for the delete before it."""
    one, other = story(source_id="s"), story(source_id="t")
    for each in (one, other):
        each.save()
        each.delete()

    upsert(one)
    Story.objects.bulk_create([other], ignore_conflicts=True)

    for each, kept in ((one, records()[-2]), (other, records()[-1])):
        recorded = last_recorded(each)
        assert recorded is not None
        assert recorded.outbox_id == kept.id
        assert f'"id":{recorded.key}}}' in kept.key


def test_what_is_ignored_has_no_event_and_no_key() -> None:
    story(source_id="s").save()
    rows = [story(source_id="s"), story(source_id="t"), story(source_id="u", pk=FREE)]
    Story.objects.bulk_create(rows, ignore_conflicts=True)

    assert sorted((event.op, event.row["idJSON"]) for event in events()) == [
        ("c", "s"),
        ("c", "t"),
        ("c", "u"),
    ]
    assert rows[0].pk is None
    assert last_recorded(rows[0]) is None
    first = records()[1].id
    keys = {event.row["idJSON"]: event.row["id"] for event in events()}
    assert [last_recorded(row) for row in rows[1:]] == [
        Recorded(key=keys[word], outbox_id=first) for word in "tu"
    ]
    assert table()[FREE]["idJSON"] == "u"
    assert replay(events()) == table()


def test_objects_created_together_know_their_change() -> None:
    story().save()
    rows = [story(), story(pk=FREE), story()]
    Story.objects.bulk_create(rows)

    first = records()[1].id
    assert [last_recorded(row) for row in rows] == [
        Recorded(key=row.pk, outbox_id=first) for row in rows
    ]
    assert {row.pk for row in rows} <= set(table())
    assert [(row._state.adding, row._state.db) for row in rows] == [(False, "default")] * 3
