"""Compares two JSON Schemas of a table's messages to find changes that break existing readers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_NULL = {"type": "null"}
_TYPES = ("boolean", "integer", "number", "string")
_KEYWORDS = frozenset({"type", "format", "minimum", "maximum"})
_NOT_COMPARED = frozenset({"$schema", "$defs", "title", "description"})
_TABLE = "properties.source.properties.table.const"

Columns = dict[str, Any]
"""The JSON Schema of each column, by column name."""


class Kind(StrEnum):
    """The kind of an incompatible difference."""

    INVALID = "invalid"
    TABLE = "table"
    KEY = "key"
    REMOVED = "removed"
    TYPE = "type"
    NULL = "null"
    ENVELOPE = "envelope"


@dataclass(frozen=True, slots=True)
class Break:
    """One incompatible difference between two schemas."""

    kind: Kind
    text: str
    """The rest of a sentence that begins with the table, or with the schema file for `INVALID`."""


def breaks(older: Any, newer: Mapping[str, Any]) -> list[Break]:
    """Return the differences that break readers of the older schema.

    `older` is the untrusted content of a file; `newer` comes from `cdc.wire.schema`.
    """
    row, key = _columns(older, "row"), _columns(older, "key")
    if row is None or key is None or len(key) != 1 or not set(key) <= set(row):
        return [Break(Kind.INVALID, "is not the JSON Schema of a captured table's messages")]
    if odd := [name for name, schema in {**row, **key}.items() if not _is_known(schema)]:
        return [Break(Kind.INVALID, f"has an invalid schema for {_names(odd)}")]
    return [*_in_key(key, newer), *_in_row(row, key, newer), *_in_envelope(older, newer)]


def added(older: Any, newer: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns that only `newer` has."""
    known = _columns(older, "row") or {}
    return [name for name in _columns(newer, "row") or {} if name not in known]


def _columns(schema: Any, name: str) -> Columns | None:
    """Return the columns of the row or of the key; None if the schema is malformed."""
    match schema:
        case {"$defs": {**definitions}}:
            pass
        case _:
            return None
    match definitions.get(name):
        case {
            "type": "object",
            "properties": {**columns},
            "required": [*required],
            "additionalProperties": False,
        } if len(required) == len(columns) and all(each in required for each in columns):
            return {str(column): value for column, value in columns.items()}
    return None


def _is_known(schema: Any) -> bool:
    """Whether this is the schema of a column type, nullable or not."""
    match schema:
        case {"anyOf": [{**values}, {"type": "null"}]} if len(schema) == 1:
            pass
        case {**values}:
            pass
        case _:
            return False
    return set(values) <= _KEYWORDS and values.get("type", "string") in _TYPES


def _values(schema: Any) -> tuple[dict[str, Any], bool]:
    """Return the schema of a column's values without null, and whether null is allowed."""
    values = schema["anyOf"][0] if "anyOf" in schema else schema
    # The schema of a JSON column is empty: it allows every value, including null.
    return values, "anyOf" in schema or not values


def _in_key(key: Columns, newer: Mapping[str, Any]) -> Iterator[Break]:
    now = _columns(newer, "key")
    if key != now:
        yield Break(Kind.KEY, f"has the key {_shown(now)}, not {_shown(key)}")


def _in_row(row: Columns, key: Columns, newer: Mapping[str, Any]) -> Iterator[Break]:
    now = _columns(newer, "row") or {}
    news = [name for name in now if name not in row]
    for name, schema in row.items():
        if name not in now:
            yield Break(
                Kind.REMOVED,
                f"no longer has the column {name!r}" + (f" (new: {_names(news)})" if news else ""),
            )
        elif name not in key:
            yield from _in_column(name, schema, now[name])


def _in_column(name: str, older: Any, newer: Any) -> Iterator[Break]:
    (before, nullable), (after, null) = _values(older), _values(newer)
    if any(not _is_kept(keyword, value, after) for keyword, value in before.items()):
        yield Break(
            Kind.TYPE,
            f"has {_type(after)} in the column {name!r}, not {_type(before)}",
        )
    elif null and not nullable:
        yield Break(Kind.NULL, f"has null in the column {name!r}, which was NOT NULL")


def _is_kept(keyword: str, value: Any, after: dict[str, Any]) -> bool:
    """Whether the schema `after` has the same keyword, or narrows `number` to `integer`."""
    whole = (keyword, value, after.get("type")) == ("type", "number", "integer")
    return whole or after.get(keyword) == value


def _in_envelope(older: Any, newer: Mapping[str, Any]) -> Iterator[Break]:
    found = list(_differences(older, newer))
    if _TABLE in found:
        yield Break(Kind.TABLE, "has a different name in source.table")
    if rest := [path for path in found if path != _TABLE]:
        yield Break(Kind.ENVELOPE, f"has a different envelope (at {', '.join(rest)})")


def _differences(older: Any, newer: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two schemas differ.

    `older` is untrusted, but the recursion never gets deeper than `newer`.
    """
    if not isinstance(older, dict) or not isinstance(newer, dict):
        if older != newer:
            yield path
        return
    for name in {**newer, **older}:
        if name not in _NOT_COMPARED:
            inner = f"{path}.{name}" if path else name
            yield from _differences(older.get(name), newer.get(name), inner)


def _type(schema: dict[str, Any]) -> str:
    text = str(schema.get("type", "any JSON"))
    known = {"minimum": "from", "maximum": "to", "format": "as"}
    limits = [f"{word} {schema[name]}" for name, word in known.items() if name in schema]
    return " ".join([text, *limits])


def _shown(key: Columns | None) -> str:
    columns = (key or {}).items()
    return ", ".join(f"{name!r} ({_type(_values(schema)[0])})" for name, schema in columns)


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names))
