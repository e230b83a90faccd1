"""`update()` of a primary key: a delete under the old key and a create under the new one."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import models, transaction
from django.db.models import F, Value
from django.db.models.functions import Cast, Concat, Now, Random

from cdc.api import CapturedModel
from cdc.errors import Refused
from tests.cdc.capture.events import events, records, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Hour, Label, Lid, Sample

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

RANDOM = Cast(Random() * 1_000_000, models.IntegerField()) + 10
UPDATES: dict[str, tuple[type[CapturedModel], Callable[[], Any]]] = {
    "the time of the statement": (Hour, lambda: Hour.objects.update(at=Now())),
    "a random number": (Sample, lambda: Sample.objects.update(number=RANDOM, place=F("place") + 1)),
    "a sum": (Sample, lambda: Sample.objects.order_by("-number").update(number=F("number") + 1)),
    "text": (Label, lambda: Label.objects.update(text=Concat("text", Value("!")))),
    "a reference": (Lid, lambda: Lid.objects.update(box=Box.objects.create(name="b"))),
    "a reference by its key": (
        Lid,
        lambda: Lid.objects.update(box_id=Box.objects.create(name="b").pk),
    ),
    "a reference by an expression": (
        Lid,
        lambda: Lid.objects.update(box_id=F("box_id") + _next_box() - F("box_id")),
    ),
}


def _next_box() -> int:
    return Box.objects.create(name="b").pk


@pytest.mark.parametrize("what", UPDATES)
def test_the_row_is_found_under_its_new_key(what: str) -> None:
    Hour.objects.create(at=datetime(2020, 1, 1, tzinfo=UTC))
    Sample.objects.bulk_create([Sample(number=1), Sample(number=2)])
    Label.objects.create(text="a")
    Lid.objects.create(box=Box.objects.create(name="a"))
    model, update = UPDATES[what]
    rows = len(table(model))

    assert update() == rows

    key = str(model._meta.pk.column)
    pairs = zip(events(), records(), strict=True)
    mine = [event for event, record in pairs if record.table == model._meta.db_table]
    assert [event.op for event in mine] == ["c"] * rows + ["d", "c"] * rows
    assert replay(mine, key) == table(model)


def test_a_new_key_that_the_database_would_round_is_refused() -> None:
    Sample.objects.create(number=3)
    with transaction.atomic(), pytest.raises(Refused, match="whole number"):
        Sample.objects.update(number=F("number") * 1.5)

    assert list(table(Sample)) == [3]
