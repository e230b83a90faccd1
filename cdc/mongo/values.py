"""Handles values of any BSON type, since another program may have written them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bson.dbref import DBRef

LATEST = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
"""The last moment that Python can hold; MongoDB can hold later ones."""


def as_json(value: Any) -> Any:
    """Return the value in a form that JSON can represent; any other type becomes text."""
    if isinstance(value, DBRef):  # an object with the keys `$ref` and `$id`
        value = value.as_doc()
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if value is None or isinstance(value, bool | float):
        return value
    return int(value) if isinstance(value, int) else str(value)


def seconds_between(item: Mapping[str, Any], first: str, last: str) -> float | None:
    """Return the time from one date of a document to another; None unless both are dates."""
    begun, ended = item.get(first), item.get(last)
    if isinstance(begun, datetime) and isinstance(ended, datetime):
        return (ended - begun).total_seconds()
    return None


def only_dates(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a history document without `at` and `applied_at` unless they are dates."""
    kept = dict(item)
    if not isinstance(kept.get("at"), datetime):
        kept.pop("at", None)
    if seconds_between(kept, "at", "applied_at") is None:
        kept.pop("applied_at", None)
    return kept
