"""Values on their way from Django to the wire and from the wire to BSON."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import Misconfigured, Refused, Rejected
from cdc.wire.columns import DEEPEST_JSON, Column, columns_of, wire_time
from stories.models import Story
from tests.support.toy.models import Note, Toy

COLUMNS = {column.attname: column for model in (Story, Toy) for column in columns_of(model)}
EAST = timezone(timedelta(hours=5, minutes=30))


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "value", "wire"),
    [
        ("diggs", 5, 5),
        ("title", "☃", "☃"),
        ("submit_date", datetime(2009, 1, 2, 3, 4, 5, tzinfo=UTC), "2009-01-02T03:04:05.000Z"),
        ("submit_date", datetime(2009, 1, 2, 3, 4, 5, 9, UTC), "2009-01-02T03:04:05.000009Z"),
        ("submit_date", datetime(2009, 1, 2, 3, 4, 5, 0, EAST), "2009-01-01T21:34:05.000Z"),
        ("submit_date", datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        ("made_on", date(1999, 12, 31), "1999-12-31"),
        ("price", Decimal("12.50"), "12.50"),
        ("code", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("shiny", 1, True),
        ("weight", 0.1, 0.1),
        ("user", {"a": [1, None, True, "x"]}, {"a": [1, None, True, "x"]}),
        ("user", nested(DEEPEST_JSON), nested(DEEPEST_JSON)),
        ("thumbnail", None, None),
    ],
)
def test_a_value_becomes_json(name: str, value: Any, wire: Any) -> None:
    found = COLUMNS[name].to_wire(value)

    assert (found, type(found)) == (wire, type(wire))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("diggs", 2**63),
        ("weight", float("inf")),
        ("weight", float("nan")),
        ("price", Decimal("NaN")),
        ("title", "a\udcffb"),
        ("user", {"a": -(2**63) - 1}),
        ("user", {"a": {"b\0": 1}}),
        ("user", {"a": [float("nan")]}),
        ("user", {"\ud800": 1}),
        ("user", {"a": datetime(2009, 1, 1, tzinfo=UTC)}),
        ("user", nested(DEEPEST_JSON + 1)),
    ],
)
def test_a_value_that_cannot_be_carried_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^Column {name} .+[a-z]"):
        COLUMNS[name].to_wire(value)
    if not isinstance(value, dict) or "a" not in value or not isinstance(value["a"], datetime):
        with pytest.raises(Refused):
            COLUMNS[name].refuse_early(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("diggs", "5"),
        ("diggs", models.F("diggs") + 1),
        ("submit_date", "2009-01-01"),
        ("title", 5),
        ("price", "NaN"),
        ("user", models.Value(2**70)),
        ("thumbnail", None),
    ],
)
def test_only_plain_values_are_judged_early(name: str, value: Any) -> None:
    COLUMNS[name].refuse_early(value)


@pytest.mark.parametrize(
    ("name", "wire", "value"),
    [
        ("diggs", 2**63 - 1, 2**63 - 1),
        ("submit_date", "2009-01-02T03:04:05.678Z", datetime(2009, 1, 2, 3, 4, 5, 678000, UTC)),
        ("submit_date", "2009-01-02T03:04:05+05:30", datetime(2009, 1, 1, 21, 34, 5, tzinfo=UTC)),
        ("weight", 1, 1.0),
        ("price", "1.50", "1.50"),
        ("made_on", "1999-12-31", "1999-12-31"),
        ("user", {"a": 1}, {"a": 1}),
        ("thumbnail", None, None),
    ],
)
def test_json_becomes_a_value(name: str, wire: Any, value: Any) -> None:
    found = COLUMNS[name].from_wire(wire)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("diggs", None),
        ("diggs", True),
        ("diggs", 1.0),
        ("diggs", 2**63),
        ("title", 5),
        ("shiny", 1),
        ("weight", "1"),
        ("submit_date", "yesterday"),
        ("submit_date", "2009-01-02T03:04:05"),
        ("submit_date", "0001-01-01T00:00:00+05:00"),
        ("submit_date", 1234567890),
        ("user", {"a\0": 1}),
    ],
)
def test_json_of_the_wrong_kind_is_rejected(name: str, wire: Any) -> None:
    with pytest.raises(Rejected, match=f"^Column {name} "):
        COLUMNS[name].from_wire(wire)


def test_columns_have_the_table_s_names() -> None:
    names = {column.attname: column.name for column in columns_of(Toy)}

    assert names["name"] == "toyName"
    assert names["part_of_id"] == "part_of_id"
    assert next(iter(names)) == "id"


def test_a_column_that_has_its_own_encoder_is_not_judged_early() -> None:
    class Coded(models.Model):
        data = models.JSONField(encoder=object)  # type: ignore[arg-type]

        class Meta:
            app_label = "coded"

    (_, data) = columns_of(Coded)
    data.refuse_early({"a": datetime(2009, 1, 1, tzinfo=UTC)})


def test_a_field_that_the_feed_cannot_carry_is_refused() -> None:
    class Blob(models.Model):
        data = models.BinaryField()

        class Meta:
            app_label = "blob"

    with pytest.raises(Misconfigured, match=r"Blob\.data is a BinaryField"):
        columns_of(Blob)


def test_a_generated_column_is_what_it_holds() -> None:
    class Sum(models.Model):
        a = models.IntegerField()
        twice = models.GeneratedField(
            expression=models.F("a") * 2, output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "sum"

    assert [column.schema()["type"] for column in columns_of(Sum)] == ["integer"] * 3


def test_a_reference_is_what_it_refers_to() -> None:
    kinds = {column.name: column.schema() for column in columns_of(Note)}

    assert kinds["content_type_id"]["type"] == "integer"


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_come_back(moment: datetime) -> None:
    column: Column = COLUMNS["submit_date"]

    assert column.from_wire(wire_time(moment)) == moment


def test_a_time_of_day_travels_as_text() -> None:
    class Clock(models.Model):
        at = models.TimeField()

        class Meta:
            app_label = "clock"

    assert columns_of(Clock)[1].to_wire(time(1, 2, 3)) == "01:02:03"
