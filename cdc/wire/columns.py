"""Conversion of column values from Django to JSON, and from JSON to BSON."""

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from cdc.errors import Refused, Rejected

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1
DEEPEST_JSON = 80
"""The maximum nesting depth of a JSON column. MongoDB allows a depth of 100 for a document."""
_LONGEST_DECIMAL = 1_000
"""No database that can be captured stores a decimal number with so many digits."""
_UNREAD = "a value that is read as null (for example 0000-00-00)"
_SHORT_REPR = reprlib.Repr()
_SHORT_REPR.maxstring = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """The conversion of the values of one column type."""

    to_wire: Callable[[Any], Any]
    """Converts a Django value to a JSON value; raises Refused."""
    from_wire: Callable[[Any], Any]
    """Converts an untrusted JSON value to a BSON value; raises Rejected."""
    schema: Mapping[str, Any]
    """The JSON Schema of the value on the wire."""
    null: bool = False
    """Whether null is a value of the type itself, as in JSON, even if the column is not nullable.
    """
    early: tuple[type, ...] = ()
    """The Python types that `to_wire` can check before the database stores the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a captured table."""

    name: str
    attname: str
    nullable: bool
    type: ColumnType
    earlier: tuple[Any, ...] = ()
    """In a tuple, the BSON value for rows that were written before the column existed; empty if the
    value is unknown."""

    def to_wire(self, value: Any) -> Any:
        """Convert a Django value to JSON; raise Refused with the name of the column."""
        if value is None and self.null:
            return None
        try:
            return self.type.to_wire(value)
        except Refused as error:
            raise error.at(f"Column {self.name}") from None
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            what = _UNREAD if value is None else _short(value)
            texts = _contains(what, ", which its type does not allow: correct it.")
            raise Refused(*texts).at(f"Column {self.name}") from None

    def refuse_early(self, value: Any) -> None:
        """Raise Refused if a value that is about to be stored cannot be encoded."""
        if isinstance(value, self.type.early):
            self.to_wire(value)

    @property
    def null(self) -> bool:
        """Whether a row may have null in the column."""
        return self.nullable or self.type.null

    def from_wire(self, value: Any) -> Any:
        """Convert a JSON value to BSON; raise Rejected with the name of the column."""
        if value is None and self.nullable:
            return None
        try:
            return self.type.from_wire(value)
        except Rejected as error:
            raise error.at(f"Column {self.name}") from None

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the column's values."""
        if not self.nullable:
            return dict(self.type.schema)
        return {"anyOf": [dict(self.type.schema), {"type": "null"}]}


def values_of(row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """Return the BSON values of a row from a message; raise Rejected if one is invalid.

    The row may be older than some columns. Such a column gets the value that its migration gave
    existing rows. If that value is not known, the column is omitted. A null in a column that has
    since become NOT NULL is treated in the same way.
    """
    values: dict[str, Any] = {}
    for column in columns:
        value = row.get(column.name)
        if value is not None or (column.null and column.name in row):
            values[column.name] = column.from_wire(value)
        elif known := _earlier(column, row, columns):
            (values[column.name],) = known
    return values


def _earlier(column: Column, row: Mapping[str, Any], columns: Sequence[Column]) -> tuple[Any, ...]:
    if column.name not in row and row.keys() - {each.name for each in columns}:
        # The row has a column that the model lacks. It may be this column with its old name.
        return ()
    return column.earlier


def wire_time(moment: datetime) -> str:
    """Return an ISO 8601 time in UTC, with milliseconds, or with microseconds if necessary."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _boolean_to_wire(value: Any) -> bool:
    if value not in {0, 1}:
        raise Refused(*_contains(_short(value), ": store 0 or 1."))
    return bool(value)


# The following functions begin with the usual case, because each save calls them for each column.


def _integer_to_wire(value: Any) -> int:
    if type(value) is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return value
    if value != int(value):
        raise Refused(*_contains(_short(value), ": store a whole number."))
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise Refused(*_contains(value, ": MongoDB's integers have 64 bits."))
    return int(value)


def _float_to_wire(value: Any) -> float:
    if not math.isfinite(value):
        raise Refused(*_contains(value, ": JSON has no such number; use null."))
    return float(value)


def _decimal_to_wire(value: Any) -> str:
    if not value.is_finite():
        raise Refused(*_contains(value, ": not every database can store it; use null."))
    # Without an exponent, as databases and Debezium write it: `str` writes 0.00000000 as 0E-8.
    return format(value, "f") if abs(value.adjusted()) <= _LONGEST_DECIMAL else str(value)


def _text_to_wire(value: Any) -> str:
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        raise TypeError
    text = str.__str__(value)  # for a text enum, its value
    try:
        text.encode()
    except UnicodeEncodeError:
        what = "contains a lone surrogate"
        raise Refused(f"{what} in {_short(text)}: remove it.", f"{what}: remove it.") from None
    return text


def _json_to_wire(value: Any, depth: int = 0) -> Any:
    """Return `value` if both JSON and BSON can represent it."""
    if depth > DEEPEST_JSON:
        raise Refused(f"is nested more than {DEEPEST_JSON} levels deep: flatten it.")
    if isinstance(value, str):
        return value if type(value) is str and value.isascii() else _text_to_wire(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer_to_wire(value)
    if isinstance(value, dict):
        return {_key_to_wire(key): _json_to_wire(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_to_wire(item, depth + 1) for item in value]
    if isinstance(value, float):
        return _float_to_wire(value)
    raise Refused(f"contains a {type(value).__name__}, which is not JSON: store plain JSON values.")


def _key_to_wire(key: Any) -> str:
    if key is None:
        raise Refused("has the key None: use text.")
    if isinstance(key, int | float):
        return str(key)  # as JSON stores it, except for true and false
    text = key if type(key) is str and key.isascii() else _text_to_wire(key)
    if "\0" in text:
        rest = "MongoDB rejects it; rename the key."
        raise Refused(f"has NUL in the key {_short(text)}: {rest}", f"has NUL in a key: {rest}")
    return text


def _integer_from_wire(value: Any) -> int:
    # Subclasses of `int` are valid too: MongoDB's 64-bit integers have their own class.
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise Rejected(*_contains(_short(value), ", not a 64-bit integer."))
    return int(value)


def _float_from_wire(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise Rejected(*_contains(_short(value), ", not a number."))
    return float(value)


def _boolean_from_wire(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Rejected(*_contains(_short(value), ", not true or false."))
    return value


def _text_from_wire(value: Any) -> str:
    if not isinstance(value, str):
        raise Rejected(*_contains(_short(value), ", not text."))
    return value


def _time_from_wire(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text_from_wire(value))
    except ValueError:
        raise Rejected(*_contains(_short(value), ", not an ISO 8601 time.")) from None
    if moment.tzinfo is None:
        raise Rejected(*_contains(_short(value), ", a time without a zone."))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Rejected(*_contains(_short(value), ", a time outside the years 1 to 9999.")) from None


def _json_from_wire(value: Any) -> Any:
    try:
        return _json_to_wire(value)
    except Refused as error:
        raise Rejected(str(error), error.without_values) from None


def _contains(value: Any, rest: str) -> tuple[str, str]:
    """Return the reason with the value, and the reason without it."""
    return f"contains {value}{rest}", f"contains an invalid value{rest}"


def _short(value: Any) -> str:
    # `repr` would fail for an untrusted value that is nested too deeply.
    return _SHORT_REPR.repr(value)


def _type(
    to_wire: Callable[[Any], Any],
    from_wire: Callable[[Any], Any],
    *early: type,
    **schema: Any,
) -> ColumnType:
    return ColumnType(to_wire=to_wire, from_wire=from_wire, schema=schema, early=early)


BOOLEAN = _type(_boolean_to_wire, _boolean_from_wire, type="boolean")
DATE = _type(date.isoformat, _text_from_wire, type="string", format="date")
DATE_TIME = _type(wire_time, _time_from_wire, type="string", format="date-time")
DECIMAL = _type(_decimal_to_wire, _text_from_wire, Decimal, type="string")
FLOAT = _type(_float_to_wire, _float_from_wire, float, type="number")
INTEGER = _type(
    _integer_to_wire,
    _integer_from_wire,
    int,
    type="integer",
    minimum=SMALLEST_INTEGER,
    maximum=LARGEST_INTEGER,
)
JSON = replace(_type(_json_to_wire, _json_from_wire, dict, list, tuple, str, int, float), null=True)
TEXT = _type(_text_to_wire, _text_from_wire, str, type="string")
TIME = _type(time.isoformat, _text_from_wire, type="string")
UUID_TEXT = _type(UUID.__str__, _text_from_wire, type="string", format="uuid")
