"""An event contains the stored values, even if a field converts them for Python."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Q

from cdc.api import CapturedModel
from cdc.capture.changes import problems_of
from cdc.capture.images import images_after, images_where
from cdc.errors import Misconfigured, Refused
from cdc.field_columns import columns_of
from cdc.registry import Capture, registry
from stories.models import Story
from tests.cdc.capture.converting import (
    BytesField,
    Colour,
    EnumField,
    Held,
    HeldDateField,
    HeldDecimalField,
    HeldJsonField,
    HeldNumberField,
    ListField,
    ReadElsewhereField,
    SecretField,
    SecretNumberField,
    Shade,
    ShadeField,
)
from tests.cdc.capture.events import events, forget
from tests.cdc.capture.made import captured, isolated

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


VALUES: dict[str, Any] = {
    "colour": Colour.RED,
    "shade": Shade.RED,
    "words": ["a", "b"],
    "number": Held(5),
    "price": Held(Decimal("1.50")),
    "day": Held(date(2010, 3, 16)),
    "data": Held({"a": [1]}),
    "elsewhere": Held("x"),
}
STORED = {
    "colour": "r",
    "shade": "r",
    "words": "a,b",
    "number": 5,
    "price": "1.50",
    "day": "2010-03-16",
    "data": {"a": [1]},
    "elsewhere": "x",
}


def stored() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, secret_number FROM toy_odd")
        return dict(zip(("secret", "secret_number"), cursor.fetchone(), strict=True))


def found(model: Any) -> Capture:
    capture = registry.find(model)
    assert capture is not None
    return capture


@pytest.fixture
def odd(transactional_db: None) -> Iterator[Any]:
    with isolated():

        class Odd(CapturedModel):
            colour = EnumField(max_length=3)
            shade = ShadeField(max_length=3)
            words = ListField()
            number = HeldNumberField()
            price = HeldDecimalField(max_digits=8, decimal_places=2)
            day = HeldDateField()
            data = HeldJsonField()
            elsewhere = ReadElsewhereField(max_length=3)
            secret = SecretField(null=True)
            secret_number = SecretNumberField(null=True)

            class Meta(CapturedModel.Meta):
                app_label = "toy"

            def __str__(self) -> str:
                return str(self.pk)

        with captured(Odd):
            yield Odd


def test_each_write_publishes_what_is_stored(odd: Any) -> None:
    forget()
    one = odd.objects.create(**VALUES, secret="abc", secret_number=7)
    expected = {"id": one.pk, **STORED, **stored()}
    assert "abc" not in expected["secret"]

    one.words = ["c"]
    one.save(update_fields=["words"])
    odd.objects.update(number=6)
    assert problems_of(found(odd), one, using="default") == {}
    one.delete()

    rows = [expected, {**expected, "words": "c"}, {**expected, "words": "c", "number": 6}]
    assert [event.after for event in events()] == [*rows, None]
    assert [event.before for event in events()] == [None, *rows]


def test_bulk_writes_publish_what_is_stored(odd: Any) -> None:
    forget()
    one = odd(**VALUES, secret="abc")
    odd.objects.bulk_create([one])
    odd.objects.all().delete()

    assert [event.op for event in events()] == ["c", "d"]
    for event in events():
        assert {name: event.row[name] for name in STORED} == STORED
        assert event.row["secret"].endswith("$cba")


@pytest.mark.parametrize("bulk", [True, False])
def test_a_row_that_a_field_cannot_convert_can_be_deleted(odd: Any, bulk: bool) -> None:
    one, two = (odd.objects.create(**VALUES) for _ in range(2))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE toy_odd SET colour = 'q' WHERE id = %s", [two.pk])
    forget()

    if bulk:
        assert odd.objects.all().delete()[0] == 2
    else:
        one.delete()
        two.delete()

    assert [event.row["colour"] for event in events()] == ["r", "q"]
    assert odd.objects.count() == 0


def test_a_snapshot_and_a_comparison_read_what_is_stored(odd: Any) -> None:
    odd.objects.create(**VALUES, secret="abc")
    capture = found(odd)
    ((key, image),) = images_where(capture, Q(), using="default").items()

    assert capture.wire_row(image) == {"id": key, **STORED, **stored()}
    assert images_after(capture, None, 9, Q(), using="default") == {key: image}


def test_a_key_that_is_converted_is_published_as_it_is_stored(transactional_db: None) -> None:
    with isolated():

        class Coloured(CapturedModel):
            colour = EnumField(max_length=3, primary_key=True)
            size = models.IntegerField(default=1)

            class Meta(CapturedModel.Meta):
                app_label = "toy"

            def __str__(self) -> str:
                return str(self.colour)

        class Refers(CapturedModel):
            to = models.ForeignKey(Coloured, on_delete=models.CASCADE)

            class Meta(CapturedModel.Meta):
                app_label = "toy"

            def __str__(self) -> str:
                return str(self.pk)

        with captured(Coloured, Refers):
            forget()
            one = Coloured(colour=Colour.RED)
            one.save()
            Refers(to=one).save()
            one.size = 2
            one.save()
            one.delete()
            capture = found(Coloured)

            keys = [
                (event.op, event.row.get("colour", event.row.get("to_id"))) for event in events()
            ]
            assert keys == [("c", "r"), ("c", "r"), ("u", "r"), ("d", "r"), ("d", "r")]
            assert capture.key_to_wire(Colour.RED) == capture.key_to_wire("r") == "r"
            assert capture.key_from_wire("r") is Colour.RED


def test_an_object_of_a_decoder_is_published_as_json(transactional_db: None) -> None:
    class Decoder(json.JSONDecoder):
        def decode(self, text: str, *_: Any) -> Any:
            return Held(super().decode(text))

    with isolated():

        class Decoded(CapturedModel):
            data = models.JSONField(decoder=Decoder)

            class Meta(CapturedModel.Meta):
                app_label = "toy"

            def __str__(self) -> str:
                return str(self.pk)

        with captured(Decoded):
            forget()
            one = Decoded(data={"a": 1})
            one.save()

            assert [event.row for event in events()] == [{"id": one.pk, "data": {"a": 1}}]


def test_a_value_that_cannot_be_published_is_refused() -> None:
    title = next(column for column in columns_of(Story) if column.name == "title")

    with pytest.raises(Refused, match="Column title contains"):
        title.to_wire(Colour.RED)


def test_a_converted_column_of_bytes_is_refused() -> None:
    class Ciphertext(models.Model):
        secret = BytesField()

        class Meta:
            app_label = "ciphertext"

        def __str__(self) -> str:
            return str(self.pk)

    with pytest.raises(Misconfigured, match=r"Ciphertext\.secret is a BytesField"):
        columns_of(Ciphertext)
