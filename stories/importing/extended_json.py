"""MongoDB Extended JSON as plain JSON values."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cdc.operations import wire_time
from stories.importing.errors import BadRow, excerpt

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(value: Any) -> Any:
    """Return `value` with every Extended JSON wrapper as a plain number or text.

    `$date` becomes ISO 8601 text in UTC, `$oid` text. Raises BadRow for a wrapper that does not
    hold what its name says.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, inner)] = value.items()
        if unwrap := _WRAPPERS.get(name):
            return _unwrapped(unwrap, value, inner)
    return {key: plain(item) for key, item in value.items()}


def _unwrapped(unwrap: Callable[[Any], Any], value: Mapping[str, Any], inner: Any) -> Any:
    try:
        return unwrap(inner)
    except (ValueError, TypeError, OverflowError):
        raise BadRow(f"holds {excerpt(value)}: write a number or date of that type") from None


def _integer(inner: Any) -> int:
    if type(inner) is int:
        return inner
    if not _INTEGER.fullmatch(inner):
        raise ValueError(inner)
    return int(inner)


def _double(inner: Any) -> float:
    if isinstance(inner, bool):
        raise TypeError(inner)
    return float(inner)


def _decimal(inner: Any) -> int | float:
    return int(inner) if _INTEGER.fullmatch(inner) else float(inner)


def _text(inner: Any) -> str:
    if not isinstance(inner, str):
        raise TypeError(inner)
    return inner


def _date(inner: Any) -> str:
    inner = plain(inner)
    if isinstance(inner, str):
        moment = datetime.fromisoformat(inner)
        return wire_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return wire_time(_EPOCH + timedelta(milliseconds=_integer(inner)))


_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "$numberInt": _integer,
    "$numberLong": _integer,
    "$numberDouble": _double,
    "$numberDecimal": _decimal,
    "$oid": _text,
    "$date": _date,
}
