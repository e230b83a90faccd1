"""The changes of captured rows, and the outbox entries that they become."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connections

from cdc.capture.images import Image
from cdc.conf import cdc_settings
from cdc.context import current_actor, current_traceparent
from cdc.errors import Refused
from cdc.outbox.table import Entry
from cdc.registry import Capture
from cdc.wire.event import Operation, Row
from cdc.wire.message import encode_key, encode_row, largest_size

_LONGEST_KEY = 255
_ENVELOPE = 1_000
"""An upper bound for the bytes of an envelope without its rows and its names."""
_LONGEST_ESCAPE = 6
"""The most bytes that one character takes in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row before and after a change; at least one of the two is not None."""

    before: Image | None
    after: Image | None
    read: bool = False
    """The row did not change; its current state is sent."""

    @property
    def operation(self) -> Operation:
        if self.read:
            return Operation.READ
        if self.before is None:
            return Operation.CREATE
        return Operation.DELETE if self.after is None else Operation.UPDATE

    def entry(self, capture: Capture, *, using: str) -> Entry:
        """Return the outbox entry of the change; raises Refused if no message can hold it."""
        before, after = (
            None if image is None else capture.wire_row(image)
            for image in (self.before, self.after)
        )
        return entry_of(capture, self.operation, before=before, after=after, using=using)


def changes_between(before: Mapping[Any, Image], after: Mapping[Any, Image]) -> Iterator[Change]:
    """Yield the change of every row in either; the rows of `before` come first, in their order."""
    for key in {**before, **after}:
        yield Change(before=before.get(key), after=after.get(key))


def entry_of(
    capture: Capture, operation: Operation, *, before: Row | None, after: Row | None, using: str
) -> Entry:
    """Return the outbox entry of a change made now.

    Raises Refused if its key or its message is too long.
    """
    key = (after or before or {})[capture.key.name]
    entry = Entry(
        topic=capture.topic,
        key=encode_key(capture.key.name, key),
        op=operation.value,
        before=encode_row(before),
        after=encode_row(after),
        ts_ms=time.time_ns() // 1_000_000,
        db=str(connections[using].settings_dict["NAME"]).rpartition("/")[2],
        table=capture.table,
        user=current_actor(),
        traceparent=current_traceparent(),
    )
    _refuse_oversize(entry)
    return entry


def refuse_early(capture: Capture, values: Mapping[str, Any]) -> None:
    """Raise Refused for values (by attname), not stored yet, that no event could hold."""
    capture.refuse_early(values)
    key = values.get(capture.key.attname)
    if isinstance(key, str):
        _refuse_long_key(encode_key(capture.key.name, key))


def refuse_unknown_key(capture: Capture, key: Any) -> None:
    """Raise Refused for the key of a new row that only the database will know."""
    if hasattr(key, "resolve_expression"):
        raise Refused(
            f"The database makes the key of a new row of {capture.table} and does not return it: "
            "set the key."
        )


def _refuse_long_key(key: str) -> None:
    if len(key) > _LONGEST_KEY:
        raise Refused(
            f"The key {key[:40]}… is longer than {_LONGEST_KEY} characters: use a shorter one."
        )


def _refuse_oversize(entry: Entry) -> None:
    _refuse_long_key(entry.key)
    settings = cdc_settings()
    limit = settings.max_event_bytes
    names = len(entry.db) + len(entry.table) + len(entry.user)
    rows = len(entry.before or b"") + len(entry.after or b"")
    # Most messages are far below the limit, so only one close to it is encoded to be measured.
    if rows + names * _LONGEST_ESCAPE + _ENVELOPE <= limit:
        return
    if (size := largest_size(entry, settings.connector)) > limit:
        raise Refused(
            f"The event of {entry.table} {entry.key} has {size} bytes, MAX_EVENT_BYTES is {limit}: "
            "shorten its columns, or raise the limit here and in Kafka."
        )
