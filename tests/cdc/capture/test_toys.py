"""Other captured models: types of columns and keys, proxies, cascades and foreign keys."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from tests.cdc.capture.events import (
    Event,
    JsonRow,
    created,
    deleted,
    events,
    forget,
    records,
    replay,
    updated,
)
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Label, Lid, Note, RedToy, Sticker, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def toy_row(key: int | None, name: str, **columns: object) -> JsonRow:
    empty = dict.fromkeys(
        ("box_id", "part_of_id", "place", "price", "weight", "made_on", "code", "seen", "data")
    )
    return {"id": key, "toyName": name, **empty, "shiny": True, **columns}


def test_every_type_of_column_is_captured() -> None:
    toy = Toy.objects.create(
        name="bear",
        price=Decimal("12.50"),
        weight=0.1,
        made_on=date(1999, 12, 31),
        code=UUID(int=1),
        shiny=False,
        seen=datetime(2001, 2, 3, 4, 5, 6, 789999, tzinfo=UTC),
        data=[None, {"b": 1, "a": 2.5}],
    )

    columns = {
        "price": "12.50",
        "weight": 0.1,
        "made_on": "1999-12-31",
        "code": "00000000-0000-0000-0000-000000000001",
        "shiny": False,
        "seen": "2001-02-03T04:05:06.789Z",
        "data": [None, {"a": 2.5, "b": 1}],
    }
    assert events() == [created(toy_row(toy.pk, "bear", **columns))]
    assert [(record.topic, record.table) for record in records()] == [("toy-events", "toy_toy")]


def test_the_database_s_own_defaults_are_read() -> None:
    toy = Toy(name="bear")
    toy.save()
    Toy.objects.bulk_create([Toy(name="cat")])

    names = [event.row["toyName"] for event in events()]
    assert (names, [event.row["shiny"] for event in events()]) == (["bear", "cat"], [True, True])
    assert replay(events()) == table(Toy)
    assert toy.pk in table(Toy)


def test_a_time_made_by_the_database_has_milliseconds() -> None:
    toy = Toy.objects.create(name="bear")
    Toy.objects.update(seen=Now())
    toy.seen = Now()
    toy.save()

    for event in events()[1:]:
        assert len(event.row["seen"]) == len("2001-02-03T04:05:06.789Z")
    assert replay(events()) == table(Toy)


def test_a_proxy_is_its_model() -> None:
    RedToy.objects.create(name="bear").save()
    RedToy.objects.update(place=1)
    RedToy.objects.bulk_create([RedToy(name="cat")])
    RedToy.objects.get(name="bear").delete()
    RedToy.objects.all().delete()

    assert [event.op for event in events()] == ["c", "u", "u", "c", "d", "d"]
    assert {record.table for record in records()} == {"toy_toy"}
    assert replay(events()) == {}


def test_a_text_key_is_one_row_however_it_is_written() -> None:
    Label(text="ключ").save()
    Label(text="ключ", size=2).save()
    Label.objects.filter(size=2).update(text="B", size=3)
    Label.objects.get(size=3).delete()

    key, new = {"text": "ключ", "size": 1}, {"text": "B", "size": 3}
    middle = {**key, "size": 2}
    assert events() == [
        created(key),
        updated(key, middle),
        deleted(middle),
        created(new),
        deleted(new),
    ]
    assert next(record.key for record in records()) == '{"text":"ключ"}'


def test_a_cascade_deletes_what_is_in_the_box() -> None:
    box, other = Box.objects.create(name="a"), Box.objects.create(name="b")
    toys = [Toy.objects.create(name=f"t{n}", box=box, place=n) for n in range(3)]
    toys.append(Toy.objects.create(name="t3", box=other, place=0))
    rows = table(Toy)
    forget()

    box.delete()

    gone = sorted(events(), key=lambda event: str(event.row["toyName"]))
    assert gone == [deleted(rows[toy.pk]) for toy in toys[:3]]


def test_a_generic_relation_deletes_its_notes() -> None:
    box = Box.objects.create(name="a")
    note = Note.objects.create(subject=box, words="good")
    rows = table(Note)
    forget()

    box.delete()

    assert events() == [deleted(rows[note.pk])]
    assert table(Note) == {}


@pytest.mark.parametrize("delete", [Toy.delete, lambda toy: Toy.objects.filter(pk=toy.pk).delete()])
def test_a_cascade_into_another_model_s_row_of_the_same_key(delete: Callable[[Toy], Any]) -> None:
    toy = Toy.objects.create(name="a")
    note = Note.objects.create(pk=toy.pk, subject=toy, words="good")
    rows = [table(Toy)[toy.pk], table(Note)[note.pk]]
    forget()

    delete(toy)

    assert events() == [deleted(row) for row in rows]


def test_references_of_deleted_rows_are_nulled_before_they_go() -> None:
    whole = Toy.objects.create(name="whole")
    Toy.objects.create(name="part", part_of=whole)
    Toy.objects.create(name="other part", part_of=whole)

    Toy.objects.filter(name__in=["whole", "part"]).delete()

    # `replay` compares each event's `before` with the last `after` of the row.
    assert replay(events()) == table(Toy)
    assert [event.op for event in events()] == ["c", "c", "c", "u", "u", "d", "d"]


def test_a_delete_that_was_rolled_back_is_forgotten() -> None:
    toy = Toy.objects.create(name="bear")
    forget()
    with transaction.atomic():
        toy.delete()
        transaction.set_rollback(True)
    toy = Toy.objects.get()
    toy.place = 1
    toy.save()
    toy.delete()

    assert [event.op for event in events()] == ["u", "d"]
    assert events()[1].before == events()[0].after


def test_an_upsert_finds_conflicts_of_several_columns() -> None:
    box = Box.objects.create(name="a")
    first = Toy.objects.create(name="bear", box=box, place=1)
    rows = table(Toy)
    forget()
    target: dict[str, Any] = {} if _any_key_counts() else {"unique_fields": ["box", "place"]}

    Toy.objects.bulk_create(
        [Toy(name="cat", box=box, place=1), Toy(name="dog", box=box, place=2), Toy(name="cow")],
        update_conflicts=True,
        update_fields=["name"],
        **target,
    )

    old = rows[first.pk]
    assert events()[0] == updated(old, {**old, "toyName": "cat"})
    assert [event.op for event in events()] == ["u", "c", "c"]
    assert replay([Event("c", None, old), *events()]) == table(Toy)


def test_a_captured_many_to_many_table_has_events() -> None:
    lid = Lid.objects.create(box=Box.objects.create(name="a"))
    one, two, three = (Label.objects.create(text=text) for text in "abc")
    forget()

    lid.labels.add(one, two)
    lid.labels.add(one)
    lid.labels.remove(one)
    lid.labels.set([two, three])
    three.lids.clear()
    lid.labels.create(text="d")
    lid.delete()

    found = [event for event in events() if "label_id" in event.row]
    changes = [(event.op, event.row["label_id"]) for event in found]
    # The order in which Django adds and cascades is undefined.
    assert sorted(changes[:2]) == [("c", "a"), ("c", "b")]
    assert changes[2:6] == [("d", "a"), ("c", "c"), ("d", "c"), ("c", "d")]
    assert sorted(changes[6:]) == [("d", "b"), ("d", "d")]
    assert replay(found) == table(Sticker) == {}


def test_an_order_lets_a_unique_column_move_up() -> None:
    Toy.objects.bulk_create([Toy(name=f"t{n}", code=UUID(int=n)) for n in range(3)])
    forget()
    box = Box.objects.create(name="a")
    for place, toy in enumerate(Toy.objects.order_by("pk")):
        Toy.objects.filter(pk=toy.pk).update(box=box, place=place)
    forget()
    if not _any_key_counts():
        # SQLite's UPDATE has no ORDER BY, so Django ignores the order.
        return

    Toy.objects.order_by("-place").update(place=F("place") + 1)

    assert [event.row["place"] for event in events()] == [3, 2, 1]


def _any_key_counts() -> bool:
    return not connection.features.supports_update_conflicts_with_target
