"""MongoDB expressions for the keys and the measures of a report.

An expression accepts documents of any shape, because another program may have written them.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from cdc.mongo.plan import Document

Key = Document | str
Measure = Document

_MONDAY = datetime(1000, 1, 6, tzinfo=UTC)
"""The first Monday of the first year that reports cover."""
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_WHOLE = ("int", "long")


class Unit(Enum):
    """The spans of a calendar, in UTC."""

    DAY = "day"
    WEEK = "week"
    """From Monday to Sunday."""
    MONTH = "month"
    YEAR = "year"


def by_field(*paths: str) -> Key:
    """Group by the first of these fields that has a value. A path may lead into an object."""
    fields = [f"${path}" for path in paths]
    return fields[0] if len(fields) == 1 else {"$ifNull": [*fields, None]}


def by_choice(path: str, values: Iterable[str]) -> Key:
    """Group by a field. All values other than `values` form one group, with the key None."""
    # MongoDB would read a text that begins with a dollar sign as the name of a field.
    choices = {"$literal": list(values)}
    return {"$cond": [{"$in": [f"${path}", choices]}, f"${path}", None]}


def by_host(path: str) -> Key:
    """Group by the part of an address between `//` and the next slash, unchanged."""
    text = {"$cond": [{"$eq": [{"$type": f"${path}"}, "string"]}, f"${path}", ""]}
    return {"$arrayElemAt": [{"$split": [text, "/"]}, 2]}


def by_calendar(path: str, unit: Unit) -> Key:
    """Group by the day, week, month or year of a date; the key is the first moment of that unit.

    The key is None if the value is not a date.
    """
    field = f"${path}"
    span = _DAY_MS * (7 if unit is Unit.WEEK else 1)
    first: Document = {"$subtract": [field, {"$mod": [{"$subtract": [field, _MONDAY]}, span]}]}
    if unit in {Unit.MONTH, Unit.YEAR}:  # `$dateTrunc` takes twice as long
        first = {"$dateTrunc": {"date": field, "unit": unit.value}}
    return {"$cond": [_is_date(path), first, None]}


def by_minutes(start: str, end: str) -> Key:
    """Group by the whole minutes between two dates; None if one of them is not a date."""
    dates = [_is_date(path) for path in (start, end)]
    minutes = {"$floor": {"$divide": [{"$subtract": [f"${end}", f"${start}"]}, _MINUTE_MS]}}
    return {"$cond": [{"$and": dates}, minutes, None]}


def count_total(path: str) -> Measure:
    """Add up an integer field; values of other types are ignored."""
    whole = {"$in": [{"$type": f"${path}"}, _WHOLE]}
    return {"$sum": {"$cond": [whole, f"${path}", 0]}}


def count_matching(path: str, value: Any) -> Measure:
    """Count the documents in which a field has this value."""
    return {"$sum": {"$cond": [{"$eq": [f"${path}", value]}, 1, 0]}}


def _is_date(path: str) -> Document:
    return {"$eq": [{"$type": f"${path}"}, "date"]}
