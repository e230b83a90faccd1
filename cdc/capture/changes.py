"""Changes of captured rows, and their outbox entries."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections
from django.db.models import Model

from cdc.capture.images import Image, read_image
from cdc.conf import cdc_settings
from cdc.context import current_actor
from cdc.errors import Refused
from cdc.outbox.table import Entry
from cdc.registry import Capture
from cdc.runtime.tracing import current_traceparent
from cdc.wire.columns import LARGEST_INTEGER, Column
from cdc.wire.event import Operation, Row
from cdc.wire.message import encode_key, encode_row, largest_size

_LONGEST_KEY = 255
_ENVELOPE = 1_000
"""The maximum size of an envelope in bytes, without the two rows and the names in it."""
_LONGEST_ESCAPE = 6
"""The maximum number of bytes of one character in JSON."""
_SHORT_COLUMN = 1_000
"""In a row that already exceeds the limit, a column may still grow to this size in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The content of one row before and after a change; at least one of the two is not None."""

    before: Image | None
    after: Image | None
    read: bool = False
    """Whether the row is unchanged and is only resent, as operation `r`."""

    @property
    def operation(self) -> Operation:
        if self.read:
            return Operation.READ
        if self.before is None:
            return Operation.CREATE
        return Operation.DELETE if self.after is None else Operation.UPDATE

    def entry(self, capture: Capture, origin: "Origin") -> Entry:
        """Return the outbox entry of the change; raise Refused if it cannot be encoded."""
        before = None if self.before is None else _row_before(capture, self.before)
        after = None if self.after is None else capture.wire_row(self.after)
        return entry_of(capture, self.operation, origin, before=before, after=after)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where, when and by whom changes are made; the same for all changes of one statement."""

    ts_ms: int
    db: str
    user: str
    traceparent: str

    @classmethod
    def now(cls, using: str) -> "Origin":
        return cls(
            ts_ms=time.time_ns() // 1_000_000,
            db=str(connections[using].settings_dict["NAME"]).rpartition("/")[2],
            user=current_actor(),
            traceparent=current_traceparent(),
        )


def problems_of(capture: Capture, instance: Model, *, using: str) -> dict[str, str]:
    """Return the reasons why a save of the instance would be refused, by attribute name.

    Forms show these reasons. A value that only the database can compute is not checked.
    """
    found: dict[str, str] = {}
    row: dict[str, Any] = {}
    for column in capture.columns:
        if not _is_known(instance, column.attname):
            continue
        value = getattr(instance, column.attname)
        try:
            column.refuse_early(value)
            row[column.name] = _as_typed(column, value)
            if column is capture.key:
                _refuse_key(capture, value, row[column.name], using)
        except Refused as error:
            found[column.attname] = str(error)
    return found or _too_long(capture, instance.pk, row, using)


def _is_known(instance: Model, attname: str) -> bool:
    """Return False for a generated column, and for a value that a new instance does not have."""
    field: Any = instance._meta.get_field(attname)
    return not field.generated and (attname in instance.__dict__ or not instance._state.adding)


def _as_typed(column: Column, value: Any) -> Any:
    try:
        return None if value is None else column.to_wire(value)
    except Refused:
        # An expression, or the unconverted value of a field that a form excludes.
        return str(value).encode(errors="replace").decode()


def _refuse_key(capture: Capture, key: Any, wire_key: Any, using: str) -> None:
    refuse_unreturned_key(capture, key, using=using)
    if not _is_expression(key):
        _refuse_long_key(encode_key(capture.key.name, wire_key))


def _too_long(capture: Capture, key: Any, after: Row, using: str) -> dict[str, str]:
    if _is_expression(key):
        key = None
    if key is None:
        after = {**after, capture.key.name: LARGEST_INTEGER}
    _, excess = _fitted(capture, Operation.CREATE, Origin.now(using), None, after)
    if excess <= 0:
        return {}
    stored = None if key is None else read_image(capture, key, using=using)
    if stored and not _lengthens(_row_before(capture, stored), after):
        return {}
    longest = max(capture.columns, key=lambda column: _size_of(after, column.name))
    limit = cdc_settings().max_event_bytes
    return {
        longest.attname: f"The row's event has {limit + excess} bytes, but MAX_EVENT_BYTES is "
        f"{limit}: shorten the row by {excess} bytes."
    }


def was_published(capture: Capture, change: Change) -> bool:
    """Return False for the delete of a row that has no events, and True for all other changes.

    A row has no events if its key cannot be encoded. Such a row was inserted with SQL.
    """
    if change.before is None or change.after is not None:
        return True
    try:
        key = capture.key_to_wire(change.before[capture.key.attname])
        _refuse_long_key(encode_key(capture.key.name, key))
    except Refused:
        return False
    return True


def changes_between(before: Mapping[Any, Image], after: Mapping[Any, Image]) -> Iterator[Change]:
    """Yield one change for each row in `before` or `after`, the rows in `before` first."""
    for key in {**before, **after}:
        yield Change(before=before.get(key), after=after.get(key))


def entry_of(
    capture: Capture,
    operation: Operation,
    origin: Origin,
    *,
    before: Row | None,
    after: Row | None,
) -> Entry:
    """Return the outbox entry of a change that is being made.

    If the message is too large, `before` is reduced to the key. Raise Refused if the key is too
    long, or if the message is still too large. One exception: an update that does not lengthen a
    long column is accepted, so that a row that is already too large can be shortened.
    """
    entry, excess = _fitted(capture, operation, origin, before, after)
    if excess > 0 and (operation is not Operation.UPDATE or _lengthens(before, after)):
        limit = cdc_settings().max_event_bytes
        place = f"The event of {entry.table}"
        raise Refused(
            f"has {limit + excess} bytes, but MAX_EVENT_BYTES is {limit}: shorten the row, or "
            "raise the limit here and in Kafka."
        ).at(f"{place} {entry.key}", f"{place} {entry.key}" if capture.key_is_number else place)
    return entry


def _fitted(
    capture: Capture, operation: Operation, origin: Origin, before: Row | None, after: Row | None
) -> tuple[Entry, int]:
    """Return the outbox entry, and the number of bytes by which its message exceeds the limit.

    If the message is too large, `before` contains only the key.
    """
    entry = _entry(capture, operation, origin, before, after)
    excess = _excess(entry)
    if excess > 0 and before is not None:
        key = {capture.key.name: before[capture.key.name]}
        entry = replace(entry, before=encode_row(key))
        excess = _excess(entry)
    return entry, excess


def _row_before(capture: Capture, image: Image) -> Row:
    """Return the row before a change, or only its key if the row cannot be encoded.

    Such a row may already be in the table, for example after an SQL statement. It must be possible
    to correct or delete the row.
    """
    try:
        return capture.wire_row(image)
    except Refused:
        return {capture.key.name: capture.key_to_wire(image[capture.key.attname])}


def _entry(
    capture: Capture, operation: Operation, origin: Origin, before: Row | None, after: Row | None
) -> Entry:
    key = (after or before or {})[capture.key.name]
    entry = Entry(
        topic=capture.topic,
        key=encode_key(capture.key.name, key),
        op=operation.value,
        before=encode_row(before),
        after=encode_row(after),
        ts_ms=origin.ts_ms,
        db=origin.db,
        table=capture.table,
        user=origin.user,
        traceparent=origin.traceparent,
    )
    _refuse_long_key(entry.key)
    return entry


def refuse_early(capture: Capture, values: Mapping[str, Any]) -> None:
    """Raise Refused if one of `values` (by attname) cannot be encoded. Call this before a save."""
    capture.refuse_early(values)
    key = values.get(capture.key.attname)
    if isinstance(key, str):
        _refuse_long_key(encode_key(capture.key.name, key))


def refuse_unknown_key(capture: Capture, key: Any) -> None:
    """Raise Refused if the key of a new row is an expression, whose value is not known here."""
    if _is_expression(key):
        raise Refused(
            f"The database computes the key of a new row of {capture.table} but does not "
            "return it: set the key."
        )


def refuse_unreturned_key(capture: Capture, key: Any, *, using: str) -> None:
    """Raise Refused if the key is an expression whose value the database does not return."""
    if _is_expression(key):
        returned = connections[using].features.can_return_columns_from_insert
        if not returned or not capture.model._meta.pk.db_returning:
            refuse_unknown_key(capture, key)


def _is_expression(value: Any) -> bool:
    return hasattr(value, "resolve_expression")


def _refuse_long_key(key: str) -> None:
    if len(key) > _LONGEST_KEY:
        raise Refused(f"is longer than {_LONGEST_KEY} characters: use a shorter key.").at(
            f"The key {key[:40]}…", "A key"
        )


def _excess(entry: Entry) -> int:
    """Return the number of bytes above the limit; 0 or less if the message does not exceed it."""
    settings = cdc_settings()
    limit = settings.max_event_bytes
    names = len(entry.db) + len(entry.table) + len(entry.user)
    rows = len(entry.before or b"") + len(entry.after or b"")
    most = rows + names * _LONGEST_ESCAPE + _ENVELOPE
    # Only a message that may exceed the limit is encoded to measure its size.
    return most - limit if most <= limit else largest_size(entry, settings.connector) - limit


def _lengthens(before: Row | None, after: Row | None) -> bool:
    """Return whether a change makes a long column longer."""
    for name, value in (after or {}).items():
        size = len(encode_row({name: value}) or b"")
        if size > _SHORT_COLUMN and size > _size_of(before or {}, name):
            return True
    return False


def _size_of(row: Row, name: str) -> int:
    return len(encode_row({name: row[name]}) or b"") if name in row else 0
