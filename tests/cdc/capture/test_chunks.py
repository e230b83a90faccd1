"""Writes of more rows than fit into one statement."""

from typing import Any

import pytest
from django.db import models
from django.db.models import Avg, F, Q

from cdc.capture import queryset
from cdc.capture.images import read_images
from cdc.capture.queryset import CHUNK
from stories.models import Story
from tests.cdc.capture.events import Event, events, forget, replay
from tests.cdc.capture.world import story, table
from tests.support.toy.models import Box, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

MANY = 2 * CHUNK + 7


@pytest.fixture
def many() -> None:
    Story.objects.bulk_create(story(diggs=n, title=f"t{n}") for n in range(MANY))


def test_every_row_has_its_event(many: None) -> None:
    assert [event.op for event in events()] == ["c"] * MANY
    assert replay(events()) == table()
    assert Story.objects.filter(diggs__gt=0).update(diggs=F("diggs") + 1) == MANY - 1
    assert [event.op for event in events()[MANY:]] == ["u"] * (MANY - 1)
    assert replay(events()) == table()
    assert Story.objects.filter(diggs__gt=0).delete() == (MANY - 1, {"stories.Story": MANY - 1})
    assert len(replay(events())) == 1
    assert replay(events()) == table()


def test_a_filter_on_other_rows_is_evaluated_before_any_write(many: None) -> None:
    average = Story.objects.order_by().values("media").annotate(mean=Avg("diggs")).values("mean")
    above = Q(diggs__gt=average)
    expected = sum(n > (MANY - 1) / 2 for n in range(MANY))

    # Each updated row lowers the average, which later chunks must not use.
    assert Story.objects.filter(above).update(diggs=0) == expected
    assert replay(events()) == table()


def test_an_annotated_filter_is_evaluated_before_any_write(many: None) -> None:
    average = Story.objects.order_by().values("media").annotate(mean=Avg("diggs")).values("mean")
    below = Story.objects.annotate(twice=F("diggs") * 2).filter(diggs__lt=average)
    expected = sum(n < (MANY - 1) / 2 for n in range(MANY))

    assert below.update(diggs=0, comments=F("twice")) == expected
    assert replay(events()) == table()


def test_the_filter_of_a_delete_is_evaluated_before_any_delete(many: None) -> None:
    average = Story.objects.order_by().values("media").annotate(mean=Avg("diggs")).values("mean")
    expected = sum(n < (MANY - 1) / 2 for n in range(MANY))

    assert Story.objects.filter(Q(diggs__lt=average)).delete()[0] == expected
    assert replay(events()) == table()


def test_an_order_holds_across_chunks() -> None:
    box = Box.objects.create(name="a")
    Toy.objects.bulk_create(Toy(name=str(n), box=box, place=n * 10) for n in range(MANY))
    forget()

    Toy.objects.order_by("-place").update(place=F("place") + 1)

    places = [event.row["place"] for event in events()]
    assert places[0] >= 10 * (MANY - CHUNK)
    assert sorted(places) == [n * 10 + 1 for n in range(MANY)]


def test_a_bulk_update_of_many_changes_each(many: None) -> None:
    rows = list(Story.objects.all())
    for row in rows:
        row.title = f"new {row.pk}"
    forget()

    assert Story.objects.bulk_update(rows, ["title"]) == MANY
    assert {event.row["title"] for event in events()} == {row.title for row in rows}


def test_a_cascade_into_many_rows() -> None:
    box = Box.objects.create(name="a")
    Toy.objects.bulk_create(Toy(name=str(n), box=box, place=n) for n in range(MANY))

    box.delete()

    assert len(events()) == 2 * MANY
    assert replay(events()) == {}


def test_large_rows_are_split_into_statements_that_a_server_accepts() -> None:
    big = "ü" * 200_000
    Story.objects.bulk_create([story(description=big) for _ in range(25)])
    Story.objects.update(diggs=5)

    assert [event.op for event in events()] == ["c"] * 25 + ["u"] * 25


def changed(found: list[Event], column: str) -> list[tuple[str, Any, Any]]:
    """Return the operation and a column's values before and after each event."""
    return [(each.op, (each.before or {}).get(column), each.row[column]) for each in found]


@pytest.mark.parametrize("order", ["pk", "-pk", "?"])
def test_every_event_of_an_update_in_chunks_has_both_images(many: None, order: str) -> None:
    """Rows are locked in the order of their keys, but updated in the order of the queryset."""
    forget()

    assert Story.objects.order_by(order).update(diggs=F("diggs") + 5_000) == MANY

    expected = [("u", number, number + 5_000) for number in range(MANY)]
    assert sorted(changed(events(), "diggs")) == expected
    assert {each.row["id"]: each.row for each in events()} == table()


def test_rows_that_stop_matching_shift_no_image(
    many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunks that are updated contain other rows than the chunks that were locked."""
    gone = set(Story.objects.filter(diggs__lt=3).values_list("pk", flat=True))
    forget()

    def read(*args: Any, lock: bool = False, **options: Any) -> Any:
        if lock:
            rows = Story.objects.filter(pk__in=gone)
            models.QuerySet.update(rows, media="other")
        return read_images(*args, lock=lock, **options)

    monkeypatch.setattr(queryset, "read_images", read)
    assert Story.objects.filter(media="news").update(diggs=F("diggs") + 5_000) == MANY - 3

    found = changed(events(), "diggs")
    assert found == [("u", number, number + 5_000) for number in range(3, MANY)]


@pytest.mark.parametrize("order", ["pk", "-pk"])
def test_every_event_of_a_delete_in_chunks_has_its_row(many: None, order: str) -> None:
    before = table()
    forget()

    deleted, by_model = Story.objects.order_by(order).delete()

    assert (deleted, by_model) == (MANY, {"stories.Story": MANY})
    assert {each.row["id"]: each.before for each in events()} == before
    assert [each.op for each in events()] == ["d"] * MANY
    assert not Story.objects.exists()
