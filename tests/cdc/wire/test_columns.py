"""Converting values from Django to JSON and from JSON to BSON."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from bson.int64 import Int64
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import Refused, Rejected
from cdc.field_columns import columns_of
from cdc.wire.columns import DEEPEST_JSON, Column, ColumnType, _type, wire_time
from stories.models import Story
from tests.support.toy.models import Toy

COLUMNS = {column.attname: column for model in (Story, Toy) for column in columns_of(model)}
NULL = "a value that is read as null (for example 0000-00-00)"
EAST = timezone(timedelta(hours=5, minutes=30))


class Shade(str, Enum):  # noqa: UP042 - its text is not its value, unlike that of StrEnum
    RED = "r"


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
        ("title", Shade.RED, "r"),
        ("user", {"a": Shade.RED}, {"a": "r"}),
        ("submit_date", datetime(2009, 1, 2, 3, 4, 5, tzinfo=UTC), "2009-01-02T03:04:05.000Z"),
        ("submit_date", datetime(2009, 1, 2, 3, 4, 5, 9, UTC), "2009-01-02T03:04:05.000009Z"),
        ("submit_date", datetime(2009, 1, 2, 3, 4, 5, 0, EAST), "2009-01-01T21:34:05.000Z"),
        ("submit_date", datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        ("made_on", date(1999, 12, 31), "1999-12-31"),
        ("price", Decimal("12.50"), "12.50"),
        ("price", Decimal("0E-8"), "0.00000000"),
        ("price", Decimal("1E-7"), "0.0000001"),
        ("price", Decimal("-1.5E+3"), "-1500"),
        ("price", Decimal("1E+999999"), "1E+999999"),
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
def test_a_value_that_cannot_be_published_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^Column {name} .+[a-z]"):
        COLUMNS[name].to_wire(value)
    if not isinstance(value, dict) or "a" not in value or not isinstance(value["a"], datetime):
        with pytest.raises(Refused):
            COLUMNS[name].refuse_early(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # A zero date is read as None.
        ("submit_date", None),
        ("title", None),
        ("diggs", None),
        ("shiny", None),
        ("diggs", "many"),
        ("diggs", 1.5),
        ("shiny", 2),
        ("title", b"\xff"),
        ("title", ["a"]),
        ("title", 5),
        ("code", "no code"),
        ("made_on", "some day"),
        ("price", 1),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^Column {name} contains "):
        COLUMNS[name].to_wire(value)


def test_none_as_a_key_in_json_is_named() -> None:
    with pytest.raises(Refused, match=r"^Column user has the key None: "):
        COLUMNS["user"].refuse_early({"a": {None: 1}})
    COLUMNS["user"].refuse_early({1: 1, False: 2, 1.5: 3})


def test_json_has_a_null_of_its_own() -> None:
    assert COLUMNS["user"].to_wire(None) is None


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
def test_only_plain_values_are_checked_early(name: str, value: Any) -> None:
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


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_survive_the_round_trip(moment: datetime) -> None:
    column: Column = COLUMNS["submit_date"]

    assert column.from_wire(wire_time(moment)) == moment


def test_a_long_integer_of_mongodb_is_an_integer() -> None:
    column = next(column for column in columns_of(Story) if column.name == "id")
    assert type(column.from_wire(Int64(2**40))) is int
    with pytest.raises(Rejected):
        column.from_wire(True)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("shiny", 2, "contains 2: store 0 or 1."),
        ("diggs", 1.5, "contains 1.5: store a whole number."),
        ("diggs", -(2**63) - 1, f"contains {-(2**63) - 1}: MongoDB's integers have 64 bits."),
        ("weight", float("inf"), "contains inf: JSON has no such number; use null."),
        ("price", Decimal("NaN"), "contains NaN: not every database can store it; use null."),
        ("title", "a\udcff", "contains a lone surrogate in 'a\\udcff': remove it."),
        ("user", nested(DEEPEST_JSON + 1), "is nested more than 80 levels deep: flatten it."),
        ("user", [set()], "contains a set, which is not JSON: store plain JSON values."),
        ("user", {"a\0": 1}, "has NUL in the key 'a\\x00': MongoDB rejects it; rename the key."),
        (
            "submit_date",
            None,
            f"contains {NULL}, which its type does not allow: correct it.",
        ),
        ("made_on", "some day", "contains 'some day', which its type does not allow: correct it."),
    ],
)
def test_a_refusal_names_the_value_and_what_to_do(name: str, value: Any, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        COLUMNS[name].to_wire(value)

    assert str(caught.value) == f"Column {name} {reason}"
    texts = ("1.5", str(2**63), "inf", "NaN", "udcff", r"a\x00", "some day", " 2")
    assert caught.value.without_values.startswith(f"Column {name} ")
    assert not any(text in caught.value.without_values for text in texts)


@pytest.mark.parametrize(
    ("name", "wire", "reason"),
    [
        ("diggs", 1.0, "contains 1.0, not a 64-bit integer."),
        ("diggs", -(2**63) - 1, "contains -9223372036854775809, not a 64-bit integer."),
        ("weight", "1", "contains '1', not a number."),
        ("weight", True, "contains True, not a number."),
        ("weight", float("inf"), "contains inf, not a number."),
        ("shiny", 1, "contains 1, not true or false."),
        ("title", 5, "contains 5, not text."),
        ("submit_date", "yesterday", "contains 'yesterday', not an ISO 8601 time."),
        ("submit_date", 5, "contains 5, not text."),
        (
            "submit_date",
            "2009-01-02T03:04:05",
            "contains '2009-01-02T03:04:05', a time without a zone.",
        ),
        (
            "submit_date",
            "0001-01-01T00:00:00+05:00",
            "contains '0001-01-01T00:00:00+05:00', a time outside the years 1 to 9999.",
        ),
        ("user", {"a\0": 1}, "has NUL in the key 'a\\x00': MongoDB rejects it; rename the key."),
    ],
)
def test_a_rejection_names_the_value(name: str, wire: Any, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        COLUMNS[name].from_wire(wire)

    assert str(caught.value) == f"Column {name} {reason}"
    assert caught.value.without_values.startswith(f"Column {name} ")
    assert not any(
        text in caught.value.without_values for text in (repr(wire), str(wire), r"a\x00")
    )


def test_a_long_value_is_shortened_in_the_reason() -> None:
    with pytest.raises(Rejected) as caught:
        COLUMNS["diggs"].from_wire("x" * 1000)

    assert (
        str(caught.value)
        == f"Column diggs contains '{'x' * 27}...{'x' * 28}', not a 64-bit integer."
    )


@pytest.mark.parametrize("value", [-(2**63), 0, 2**63 - 1])
def test_the_limits_of_an_integer_are_accepted(value: int) -> None:
    assert COLUMNS["diggs"].to_wire(value) == value
    assert COLUMNS["diggs"].from_wire(value) == value
    assert COLUMNS["user"].to_wire({"a": value}) == {"a": value}


@pytest.mark.parametrize("value", [0, False])
def test_false_is_false(value: Any) -> None:
    assert COLUMNS["shiny"].to_wire(value) is False


def test_both_booleans_are_read() -> None:
    assert [COLUMNS["shiny"].from_wire(value) for value in (True, False)] == [True, False]


def test_lists_and_tuples_count_as_levels_and_become_lists() -> None:
    assert COLUMNS["user"].to_wire(({"a": (1, [2])},)) == [{"a": [1, [2]]}]
    assert COLUMNS["user"].from_wire(nested(DEEPEST_JSON)) == nested(DEEPEST_JSON)
    deepest: Any = 0.5
    for _ in range(DEEPEST_JSON):
        deepest = {"a": deepest}
    assert COLUMNS["user"].to_wire(deepest) == deepest
    with pytest.raises(Refused, match="is nested more than"):
        COLUMNS["user"].to_wire({"a": deepest})


@pytest.fixture
def other_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("other_time_zone")
def test_the_time_zone_of_the_machine_does_not_matter() -> None:
    moment = datetime(2009, 1, 2, 3, 4, 5, tzinfo=EAST)

    assert wire_time(moment) == "2009-01-01T21:34:05.000Z"
    assert COLUMNS["submit_date"].from_wire("2009-01-01T21:34:05.000Z").tzinfo is UTC


def test_a_type_has_its_converters_schema_and_early_types() -> None:
    assert _type(str, int, bool, list, type="integer", minimum=1) == ColumnType(
        to_wire=str,
        from_wire=int,
        schema={"type": "integer", "minimum": 1},
        early=(bool, list),
    )


def test_a_time_is_read_in_utc() -> None:
    found = COLUMNS["submit_date"].from_wire("2009-01-02T03:04:05+05:30")

    assert found.tzinfo is UTC


@pytest.mark.parametrize(("micro", "end"), [(678_000, ".678Z"), (1_001, ".001001Z"), (0, ".000Z")])
def test_microseconds_are_written_only_if_there_are_any(micro: int, end: str) -> None:
    assert wire_time(datetime(2009, 1, 2, 3, 4, 5, micro, EAST)) == f"2009-01-01T21:34:05{end}"
