"""Writes of more rows than fit into one statement."""

import pytest
from django.db.models import Avg, F, Q

from cdc.capture.queryset import CHUNK
from stories.models import Story
from tests.cdc.capture.events import events, forget, replay
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

    # Each written row lowers the average.
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
