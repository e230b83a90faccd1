"""MongoDB Extended JSON as plain JSON values, decoded by PyMongo's `bson`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, Int64, ObjectId
from bson.errors import BSONError
from bson.json_util import JSONOptions, object_hook

from cdc.operations import wire_time
from stories.importing.errors import BadRow, excerpt

_OPTIONS = JSONOptions(tz_aware=True, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_UNDECODABLE = (ArithmeticError, AttributeError, BSONError, LookupError, TypeError, ValueError)


def plain(value: Any) -> Any:
    """Return `value` with every Extended JSON wrapper replaced by a number or a string.

    A date becomes ISO 8601 text in UTC, and an object id becomes text. Raise BadRow if the content
    of a wrapper does not match the wrapper's name, or if a wrapper is neither a number nor a date
    nor an object id.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    document = {key: plain(item) for key, item in value.items()}
    try:
        _check_integers(document)
        decoded = object_hook(document, _OPTIONS)
        return document if decoded is document else _PLAIN[type(decoded)](decoded)
    except _UNDECODABLE:
        raise BadRow(f"is {excerpt(value)}: write a number, a date or an object id") from None


def _check_integers(document: dict[str, Any]) -> None:
    """Refuse the integers that `bson` reads but MongoDB never writes, such as "1_0" and true."""
    for name in ("$numberInt", "$numberLong", "$date"):
        text_date = name == "$date" and isinstance(document.get(name), str)
        if name in document and not text_date and not _INTEGER.fullmatch(str(document[name])):
            raise ValueError(name)


def _decimal(value: Decimal128) -> int | float:
    text = str(value)
    return int(text) if _INTEGER.fullmatch(text) else float(text)


_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int,
    Int64: int,
    float: float,
    Decimal128: _decimal,
    ObjectId: str,
    datetime: wire_time,
}
