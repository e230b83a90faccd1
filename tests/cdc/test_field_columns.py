"""The columns of a model, derived from the classes of its fields."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from bson import encode
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from cdc.errors import Misconfigured
from cdc.field_columns import columns_of
from cdc.fields import MillisecondDateTimeField
from cdc.registry import Capture
from tests.support.toy.models import Note, Toy


def test_columns_have_the_table_s_names() -> None:
    names = {column.attname: column.name for column in columns_of(Toy)}

    assert names["name"] == "toyName"
    assert names["part_of_id"] == "part_of_id"
    assert next(iter(names)) == "id"


def test_a_column_with_its_own_encoder_is_not_checked_early() -> None:
    class Coded(models.Model):
        data = models.JSONField(encoder=object)  # type: ignore[arg-type]

        class Meta:
            app_label = "coded"

    (_, data) = columns_of(Coded)
    data.refuse_early({"a": datetime(2009, 1, 1, tzinfo=UTC)})


def test_a_field_without_a_column_type_is_refused() -> None:
    class Blob(models.Model):
        data = models.BinaryField()

        class Meta:
            app_label = "blob"

    with pytest.raises(Misconfigured, match=r"Blob\.data is a BinaryField"):
        columns_of(Blob)


class SealedField(models.TextField[Any, Any]):
    """Converts the values that Django reads, and has an internal type that Django does not know."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return f"the secret in {value}"

    def get_internal_type(self) -> str:
        return "SealedField"


def test_a_field_whose_stored_values_cannot_be_read_is_refused() -> None:
    """Its events would contain the converted values, for example decrypted text."""

    class Sealed(models.Model):
        secret = SealedField()

        class Meta:
            app_label = "sealed"

    class Keyed(models.Model):
        key = SealedField(primary_key=True)

        class Meta:
            app_label = "sealed"

    class Refers(models.Model):
        keyed = models.ForeignKey(Keyed, on_delete=models.CASCADE)

        class Meta:
            app_label = "sealed"

    places = {
        Sealed: r"Sealed\.secret has the values of a SealedField",
        Keyed: r"Keyed\.key",
        Refers: r"Refers\.keyed",
    }
    for model, place in places.items():
        with pytest.raises(Misconfigured, match=place) as refused:
            columns_of(model)
        assert "internal type 'SealedField' is not a field of Django" in str(refused.value)


def test_a_generated_column_has_the_type_of_its_output() -> None:
    class Sum(models.Model):
        a = models.IntegerField()
        twice = models.GeneratedField(
            expression=models.F("a") * 2, output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "sum"

    assert [column.schema()["type"] for column in columns_of(Sum)] == ["integer"] * 3


class WordField(models.CharField[Any, Any]):
    """Converts text to objects in `to_python`, but does not convert values that Django reads."""

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, tuple) else (str(value),)

    def get_prep_value(self, value: Any) -> Any:
        return value[0] if isinstance(value, tuple) else value


class ExactField(models.DecimalField[Any, Any]):
    def from_db_value(self, value: Any, *_: Any) -> Any:
        return value


def test_a_key_of_objects_is_published_as_it_is_stored() -> None:
    class Word(models.Model):
        text = WordField(max_length=9, primary_key=True)

        class Meta:
            app_label = "word"

    capture = Capture(model=Word)

    assert capture.key_to_wire("a") == capture.key_to_wire(("a",)) == "a"


def test_a_decimal_field_that_converts_is_no_key() -> None:
    class Price(models.Model):
        price = ExactField(max_digits=9, decimal_places=2, primary_key=True)

        class Meta:
            app_label = "price"

    with pytest.raises(Misconfigured, match="primary key price"):
        Capture(model=Price)


def test_a_foreign_key_has_the_type_of_its_target() -> None:
    kinds = {column.name: column.schema() for column in columns_of(Note)}

    assert kinds["content_type_id"]["type"] == "integer"


def test_a_time_of_day_is_text() -> None:
    class Clock(models.Model):
        at = models.TimeField()

        class Meta:
            app_label = "clock"

    assert columns_of(Clock)[1].to_wire(time(1, 2, 3)) == "01:02:03"


class Language(models.TextChoices):
    EN = "en"


class Old(str, Enum):  # noqa: UP042 - its text is not its value, unlike that of StrEnum
    EN = "en"


MOMENT = datetime(2009, 1, 1, 2, 3, 4, 567_891, UTC)


class Added(models.Model):
    """A model with a field for each way in which a migration fills a new column."""

    text = models.CharField(max_length=8, default="en")
    empty = models.TextField(default="")
    blank = models.CharField(max_length=8, blank=True)
    choice = models.CharField(max_length=8, choices=Language.choices, default=Language.EN)
    old_enum = models.CharField(max_length=8, default=Old.EN)
    null = models.CharField(max_length=8, null=True)  # noqa: DJ001
    null_with_default = models.IntegerField(null=True, default=7)
    boolean = models.BooleanField(default=False)
    number = models.IntegerField(default=0)
    decimal = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    exact = models.DecimalField(max_digits=8, decimal_places=3, default=Decimal("1.50"))
    day = models.DateField(default="2010-03-16")
    moment = MillisecondDateTimeField(default=MOMENT)
    at = models.TimeField(default=time(1, 2, 3))
    code = models.UUIDField(default="12345678123456781234567812345678")
    mapping = models.JSONField(default=dict)
    json_null = models.JSONField(default=None)
    null_json = models.JSONField(null=True, default=None)
    null_text = models.TextField(null=True)  # noqa: DJ001
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey("self", default=1, on_delete=models.CASCADE, related_name="+")
    file = models.FileField(blank=True)
    of_database = models.IntegerField(db_default=3)
    value_of_database = models.BooleanField(db_default=models.Value(True))
    both = models.IntegerField(default=1, db_default=2)

    unknown_none = models.IntegerField()
    unknown_callable = models.CharField(max_length=80, default=lambda: "en")
    unknown_code = models.UUIDField(default=UUID)
    unknown_time = models.DateTimeField(default=timezone.now)
    unknown_expression = models.DateTimeField(db_default=Now())
    unknown_both = models.DateTimeField(default=MOMENT, db_default=Now())
    unknown_automatic = models.DateTimeField(auto_now=True)
    unknown_automatic_null = models.DateTimeField(auto_now_add=True, null=True)
    unknown_blank = models.IntegerField(blank=True)
    unknown_text_null = models.TextField(null=True, default="a")  # noqa: DJ001
    unknown_wrong = models.IntegerField(default="many")
    unknown_too_large = models.BigIntegerField(default=2**63)
    unknown_generated = models.GeneratedField(
        expression=models.F("number") * 2, output_field=models.IntegerField(), db_persist=True
    )

    class Meta:
        app_label = "added"

    def __str__(self) -> str:
        return self.text


EARLIER = {
    column.name: column.earlier for column in columns_of(Added) if not column.name.startswith("id")
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "en"),
        ("empty", ""),
        ("blank", ""),
        ("choice", "en"),
        ("old_enum", "en"),
        ("null", None),
        ("null_with_default", 7),
        ("boolean", False),
        ("number", 0),
        ("decimal", "0.00"),
        ("exact", "1.500"),
        ("day", date(2010, 3, 16).isoformat()),
        ("moment", MOMENT.replace(microsecond=567_000)),
        ("at", "01:02:03"),
        ("code", "12345678-1234-5678-1234-567812345678"),
        ("mapping", {}),
        ("json_null", None),
        ("null_json", None),
        ("null_text", None),
        ("parent_id", None),
        ("other_id", 1),
        ("file", ""),
        ("of_database", 3),
        ("value_of_database", True),
        ("both", 2),
    ],
)
def test_a_constant_default_is_the_value_of_earlier_rows(name: str, value: Any) -> None:
    (found,) = EARLIER[name]

    assert (found, type(found)) == (value, type(value))
    assert encode({name: found})


@pytest.mark.parametrize("name", [name for name in EARLIER if name.startswith("unknown")])
def test_the_value_of_earlier_rows_may_not_be_known(name: str) -> None:
    assert EARLIER[name] == ()
