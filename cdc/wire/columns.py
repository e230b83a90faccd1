"""How the values of a column are converted: from Django to JSON, and from JSON to BSON."""

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
"""Levels of nesting allowed in a JSON column; BSON allows 100 in a whole document."""
_UNREAD = "a value that is read as null, such as 0000-00-00"
_SHORT_REPR = reprlib.Repr()
_SHORT_REPR.maxstring = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """How the values of one type of column are converted."""

    to_wire: Callable[[Any], Any]
    """Django's value -> a JSON value; raises Refused."""
    from_wire: Callable[[Any], Any]
    """An untrusted JSON value -> the value for BSON; raises Rejected."""
    schema: Mapping[str, Any]
    """The JSON Schema of the value on the wire."""
    null: bool = False
    """Whether null is a value of the type itself, and not only of a nullable column."""
    early: tuple[type, ...] = ()
    """The Python types of values that `to_wire` can check before the database has stored them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a captured table."""

    name: str
    attname: str
    nullable: bool
    type: ColumnType
    earlier: tuple[Any, ...] = ()
    """The BSON value of the rows from before the column existed; empty if it is not known."""

    def to_wire(self, value: Any) -> Any:
        """Return a value of Django's as JSON; raises Refused, naming the column."""
        if value is None and self.null:
            return None
        try:
            return self.type.to_wire(value)
        except Refused as error:
            raise Refused(f"Column {self.name} {error}") from None
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            what = _UNREAD if value is None else _short(value)
            raise Refused(
                f"Column {self.name} holds {what}, which its type does not allow: correct it."
            ) from None

    def refuse_early(self, value: Any) -> None:
        """Raise Refused for a value, not stored yet, that no message could hold."""
        if isinstance(value, self.type.early):
            self.to_wire(value)

    @property
    def null(self) -> bool:
        """Whether a row may hold null in the column."""
        return self.nullable or self.type.null

    def from_wire(self, value: Any) -> Any:
        """Return a JSON value as BSON's; raises Rejected, naming the column."""
        if value is None and self.nullable:
            return None
        try:
            return self.type.from_wire(value)
        except Rejected as error:
            raise Rejected(f"Column {self.name} {error}") from None

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the column's values."""
        if not self.nullable:
            return dict(self.type.schema)
        return {"anyOf": [dict(self.type.schema), {"type": "null"}]}


def values_of(row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """Return the BSON values of a row of a message; raises Rejected.

    The row may be older than the columns. What it then lacks has the value that the migration gave
    it, as far as that is known; otherwise it is left out.
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
        # A column that the model does not know may be this one under its former name.
        return ()
    return column.earlier


def wire_time(moment: datetime) -> str:
    """Return an ISO 8601 time in UTC, with microseconds only if there are any."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _boolean_to_wire(value: Any) -> bool:
    if value not in {0, 1}:
        raise Refused(f"holds {_short(value)}: store 0 or 1.")
    return bool(value)


def _integer_to_wire(value: Any) -> int:
    if value != int(value):
        raise Refused(f"holds {_short(value)}: store a whole number.")
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise Refused(f"holds {value}: MongoDB's integers have 64 bits.")
    return int(value)


def _float_to_wire(value: Any) -> float:
    if not math.isfinite(value):
        raise Refused(f"holds {value}: JSON has no such number; use null.")
    return float(value)


def _decimal_to_wire(value: Any) -> str:
    if not value.is_finite():
        raise Refused(f"holds {value}: no database has such a number; use null.")
    return str(value)


def _text_to_wire(value: Any) -> str:
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        raise TypeError
    text = str(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"holds a lone surrogate in {_short(text)}: remove it.") from None
    return text


def _json_to_wire(value: Any, depth: int = 0) -> Any:
    """Return `value` if both JSON and BSON can hold it."""
    if depth > DEEPEST_JSON:
        raise Refused(f"nests deeper than {DEEPEST_JSON} levels: flatten it.")
    if isinstance(value, str):
        return _text_to_wire(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer_to_wire(value)
    if isinstance(value, float):
        return _float_to_wire(value)
    if isinstance(value, list | tuple):
        return [_json_to_wire(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_key_to_wire(key): _json_to_wire(item, depth + 1) for key, item in value.items()}
    raise Refused(f"holds a {type(value).__name__}, which is not JSON: store plain JSON values.")


def _key_to_wire(key: Any) -> str:
    text = _text_to_wire(key)
    if "\0" in text:
        raise Refused(f"has NUL in the key {_short(text)}: MongoDB refuses it; rename the key.")
    return text


def _integer_from_wire(value: Any) -> int:
    # Not only `int` itself: MongoDB's long integers have a class of their own.
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise Rejected(f"holds {_short(value)}, not a 64-bit integer.")
    return int(value)


def _float_from_wire(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise Rejected(f"holds {_short(value)}, not a number.")
    return float(value)


def _boolean_from_wire(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Rejected(f"holds {_short(value)}, not true or false.")
    return value


def _text_from_wire(value: Any) -> str:
    if not isinstance(value, str):
        raise Rejected(f"holds {_short(value)}, not text.")
    return value


def _time_from_wire(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text_from_wire(value))
    except ValueError:
        raise Rejected(f"holds {_short(value)}, not an ISO 8601 time.") from None
    if moment.tzinfo is None:
        raise Rejected(f"holds {_short(value)}, a time without a zone.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Rejected(f"holds {_short(value)}, a time outside years 1 to 9999.") from None


def _json_from_wire(value: Any) -> Any:
    try:
        return _json_to_wire(value)
    except Refused as error:
        raise Rejected(str(error)) from None


def _short(value: Any) -> str:
    # An untrusted value may be nested too deep for `repr`.
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
