"""The change event of one row, and how a message is decoded."""

import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from cdc.errors import Rejected
from cdc.wire.records import Headers

_LARGEST_ID = 2**63 - 1
_MOST_DIGITS = len(str(_LARGEST_ID))

Row = Mapping[str, Any]
"""JSON values by column name."""


class Operation(StrEnum):
    """The type of a change, with Debezium's values."""

    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"
    READ = "r"
    """The current state of a row, sent by a snapshot or a repair."""


_OPERATIONS = frozenset(Operation)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The version of a row after a change. A later change of the row has a higher version."""

    epoch: int
    outbox_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEvent:
    """A decoded event: one change of one row."""

    op: Operation
    table: str
    key_column: str
    key: int | str
    before: Row | None
    after: Row | None
    version: Version
    ts_ms: int
    """The time of capture, in milliseconds since 1970."""
    db: str = ""
    user: str = ""

    @property
    def row(self) -> Row:
        """The row after the change or, for a delete, before it."""
        return self.after or self.before or {}

    def changed(self, columns: Iterable[str]) -> list[str]:
        """Return those of `columns` whose values an update changed; none for other operations.

        If the old row does not fit into a message or cannot be encoded, `before` contains only the
        key. The changed columns are then unknown, and the list is empty.
        """
        if self.op is not Operation.UPDATE or self.before is None:
            return []
        before, after = self.before, self.after or {}
        if before.keys() == {self.key_column}:
            return []
        return [name for name in columns if before.get(name) != after.get(name)]

    @property
    def deletes(self) -> bool:
        """Whether the change deletes the row."""
        return self.op is Operation.DELETE


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """An event that was read from a topic, with its partition and its offset."""

    event: ChangeEvent
    partition: int
    offset: int


def decode(key: bytes | None, value: bytes) -> ChangeEvent:
    """Return the change in a message; raise Rejected with the reason if it is malformed."""
    envelope = _object(_json(value, "The value"), "The value")
    source = _object(envelope.get("source"), "source")
    column, identity = decode_key(key)
    event = ChangeEvent(
        op=_operation(envelope.get("op")),
        table=_text(source.get("table"), "source.table"),
        key_column=column,
        key=identity,
        before=_row(envelope.get("before"), "before"),
        after=_row(envelope.get("after"), "after"),
        version=_version(source.get("sequence")),
        ts_ms=_number(envelope.get("ts_ms"), "ts_ms"),
        db=_text(source.get("db"), "source.db"),
        user=_text(source.get("user", ""), "source.user"),
    )
    return _consistent(event)


def tombstone_version(headers: Headers) -> Version | None:
    """Return the version in a tombstone's headers; None if another program wrote the tombstone.

    Raise Rejected if the version is malformed.
    """
    found = dict(headers)
    parts = [found.get(name) for name in ("epoch", "outbox_id")]
    if parts == [None, None]:
        return None
    texts = [(part or b"").decode("ascii", "replace") for part in parts]
    return _version_of(texts, "The tombstone's version", "epoch and outbox_id")


def deletion(
    table: str, key_column: str, key: int | str, version: Version, ts_ms: int
) -> ChangeEvent:
    """Return the delete that corresponds to a tombstone; its `before` contains only the key."""
    return ChangeEvent(
        op=Operation.DELETE,
        table=table,
        key_column=key_column,
        key=key,
        before={key_column: key},
        after=None,
        version=version,
        ts_ms=ts_ms,
    )


def decode_key(key: bytes | None) -> tuple[str, int | str]:
    """Return the column and the value in a Kafka key; raise Rejected if it is malformed."""
    pairs = list(_object(_json(key, "The key"), "The key").items())
    if len(pairs) != 1 or type(pairs[0][1]) not in {int, str}:
        raise Rejected('The key is not one column with a number or text; {"id":17} is a valid key.')
    return pairs[0]


def _json(data: bytes | None, name: str) -> Any:
    try:
        return orjson.loads(data or b"")
    except orjson.JSONDecodeError as error:
        raise Rejected(f"{name} is not JSON: {error}.") from None


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected(f"{name} is not a JSON object.")
    return value


def _row(value: Any, name: str) -> Row | None:
    return None if value is None else _object(value, name)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Rejected(f"{name} is not text.")
    return value


def _number(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST_ID:
        raise Rejected(f"{name} is not a number from 0 to {_LARGEST_ID}.")
    return value


def _operation(value: Any) -> Operation:
    if not isinstance(value, str) or value not in _OPERATIONS:
        raise Rejected(
            f"op is {reprlib.repr(value)}, not one of c, u, d, r.", "op is not one of c, u, d, r."
        )
    return Operation(value)


def _version(sequence: Any) -> Version:
    parts = _json(_text(sequence, "source.sequence").encode(), "source.sequence")
    texts = parts if isinstance(parts, list) else []
    return _version_of(texts, "source.sequence", '["epoch","outbox id"]')


def _version_of(parts: Sequence[Any], name: str, form: str) -> Version:
    if not all(map(_digits, parts)):
        parts = []
    try:
        epoch, outbox_id = (_number(int(part), name) for part in parts)
    except ValueError:
        raise Rejected(f"{name} is not {form}.") from None
    return Version(epoch, outbox_id)


def _digits(part: Any) -> bool:
    short = isinstance(part, str) and len(part) <= _MOST_DIGITS
    return short and part.isascii() and part.isdigit()


def _consistent(event: ChangeEvent) -> ChangeEvent:
    row, name = (event.before, "before") if event.deletes else (event.after, "after")
    if row is None:
        raise Rejected(f"The field {name} is null in an event with op {event.op.value}.")
    held = row.get(event.key_column)
    if type(held) is not type(event.key) or held != event.key:
        shown, rest = json.dumps(event.key)[:60], f"the row in {name} has a different key."
        raise Rejected(f"The key is {shown}, but {rest}", f"The key is invalid: {rest}")
    return event
