"""Renders all records of the topic, even malformed records, as JSON for each audience."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypedDict

import orjson
from django.urls import NoReverseMatch, reverse

from cdc.audience import Audience
from cdc.errors import Rejected
from cdc.printable import printable, without_common_start
from cdc.registry import Capture
from cdc.wire.event import ChangeEvent, PastEvent, Row, Version, decode
from cdc.wire.records import Record

LONGEST_VALUE = 160
"""The number of characters of a value that the list shows; the details show the whole value."""
_MOST_FIELDS = 8
_ROW_LENGTH, _SEPARATORS, _COUNT = 34, 4, 8
"""The number of characters for changed fields in a row, for the separators of a field, and for the
count of the fields that do not fit."""
_LONGEST_TITLE, _LONGEST_NAME, _LONGEST_REASON, _LONGEST_RAW = 120, 100, 300, 10_000
_OVERHEAD_BYTES = 600
"""The approximate memory, in bytes, that a change needs in addition to its rendered data."""


class Place(TypedDict):
    """The place of a record in the topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedChange:
    """One record of the topic as readers receive it, and the values that filters need."""

    partition: int
    offset: int
    op: str
    """One of c, u, d, r; empty for a message that is not an event of a captured model."""
    key: str
    title: str
    """The name of the row, as the list shows it."""
    topic_name: str
    """The name in the row's topic column."""
    user: str
    fields: frozenset[str]
    """The columns that an update changed."""
    personal: frozenset[str]
    """The columns in `fields` that contain personal data."""
    version: Version | None
    ts_ms: int
    """The time of capture, in milliseconds since 1970; 0 if unknown."""
    data: Mapping[Audience, bytes]
    """The change as JSON without line breaks, for each audience."""

    @property
    def size(self) -> int:
        """The approximate size of the change in memory, in bytes."""
        return _OVERHEAD_BYTES + len(self.title) + sum(map(len, self.data.values()))

    def visible_fields(self, audience: Audience) -> frozenset[str]:
        """Return the changed columns that an audience may see."""
        return self.fields if audience.sees_people else self.fields - self.personal


class Renderer:
    """Renders records and past events; never raises an error, even for malformed content."""

    def __init__(self, captures: Iterable[Capture]) -> None:
        self._captures = {capture.table: capture for capture in captures}

    def column_names(self, audience: Audience) -> list[str]:
        """Return the names of the columns that an audience may see, in alphabetical order."""
        captures = (capture for capture in self._captures.values() if not capture.internal)
        shown = (
            {column.name for column in each.columns} - each.hidden(audience) for each in captures
        )
        return sorted(set().union(*shown))

    def render(self, record: Record) -> RenderedChange | None:
        """Return the change to show for a record; None for a tombstone."""
        if record.value is None:
            return None
        try:
            event, capture = self._event(record)
        except Rejected as error:
            return _unrecognised(record, str(error))
        return _change(_place(record), event, capture)

    def render_past(self, past: PastEvent) -> RenderedChange | None:
        """Return a past event as a change; None if its table is not captured."""
        capture = self._captures.get(past.event.table)
        return _change(_past_place(past), past.event, capture) if capture else None

    def details(self, record: Record, audience: Audience) -> dict[str, Any]:
        """Return everything in a record that an audience may see."""
        try:
            event, capture = self._event(record)
        except Rejected as error:
            return _unrecognised_details(record, str(error), audience)
        return _details(_place(record), event, capture, audience)

    def past_details(self, past: PastEvent, audience: Audience) -> dict[str, Any] | None:
        """Return the details of a past event; None if its table is not captured."""
        capture = self._captures.get(past.event.table)
        return _details(_past_place(past), past.event, capture, audience) if capture else None

    def _event(self, record: Record) -> tuple[ChangeEvent, Capture]:
        event = decode(record.key, record.value or b"")
        capture = self._captures.get(event.table)
        if capture is None:
            # Only a registered capture declares which columns contain personal data.
            raise Rejected("The table that the message names is not captured.")
        _iso(event.ts_ms)
        _check_depth(event)
        return event, capture


def _change(place: Place, event: ChangeEvent, capture: Capture) -> RenderedChange:
    fields = event.changed(column.name for column in capture.columns)
    title = printable(_text(event.row.get(capture.presentation.title)), _LONGEST_TITLE)
    base = {
        **place,
        "op": event.op.value,
        "at": _iso(event.ts_ms),
        "key": printable(str(event.key), _LONGEST_NAME),
        "title": title,
        "page": _page(capture.presentation.page, event),
        "version": [event.version.epoch, event.version.outbox_id],
    }
    return RenderedChange(
        **place,
        op=event.op.value,
        key=str(event.key),
        title=title,
        topic_name=_topic_name(event, capture),
        user=event.user,
        fields=frozenset(fields),
        personal=capture.presentation.personal & frozenset(fields),
        version=event.version,
        ts_ms=event.ts_ms,
        data={audience: _data(base, event, capture, fields, audience) for audience in Audience},
    )


def _data(
    base: Mapping[str, Any],
    event: ChangeEvent,
    capture: Capture,
    fields: list[str],
    audience: Audience,
) -> bytes:
    hidden = capture.hidden(audience)
    before, after = event.before or {}, event.after or {}
    values = [_field(name, before, after) for name in fields if name not in hidden]
    fit = _fitting(values)
    return orjson.dumps(
        {
            **base,
            **({"who": printable(event.user, _LONGEST_NAME)} if audience.sees_people else {}),
            "fields": values[:_MOST_FIELDS],
            "fit": fit,
            "rest": len(values) - fit,
            "more": max(len(values) - _MOST_FIELDS, 0),
            "hidden": len(fields) - len(values),
        }
    )


def _fitting(values: list[tuple[str, str | None, str | None]]) -> int:
    """Return how many fields fit into a row; the first is always shown, with long values cut."""
    lengths = [sum(len(part or "none") for part in each) + _SEPARATORS for each in values]
    totals = list(accumulate(lengths))
    if not totals or totals[-1] <= _ROW_LENGTH:
        return len(totals)
    return max(sum(total <= _ROW_LENGTH - _COUNT for total in totals), 1)


def _unrecognised(record: Record, reason: str) -> RenderedChange:
    base = {**_place(record), "op": "", "bytes": len(record.value or b"")}
    # The reason may quote the message, which may contain personal data.
    full = {**base, "why": printable(reason, _LONGEST_REASON)}
    return RenderedChange(
        **_place(record),
        op="",
        key="",
        title="",
        topic_name="",
        user="",
        fields=frozenset(),
        personal=frozenset(),
        version=None,
        ts_ms=0,
        data={item: orjson.dumps(full if item.sees_people else base) for item in Audience},
    )


def _details(
    place: Place, event: ChangeEvent, capture: Capture, audience: Audience
) -> dict[str, Any]:
    return {
        **place,
        "op": event.op.value,
        "ts_ms": event.ts_ms,
        "table": event.table,
        "key": event.key,
        "version": [event.version.epoch, event.version.outbox_id],
        "page": _page(capture.presentation.page, event),
        "trace": _page(capture.presentation.trace, event),
        **({"user": event.user} if audience.sees_people else {}),
        "before": _visible_columns(event.before, capture, audience),
        "after": _visible_columns(event.after, capture, audience),
    }


def _unrecognised_details(record: Record, reason: str, audience: Audience) -> dict[str, Any]:
    base = {**_place(record), "bytes": len(record.value or b"")}
    if not audience.sees_people:
        return base
    return {
        **base,
        "why": printable(reason, _LONGEST_REASON),
        "key": printable(record.key, _LONGEST_RAW),
        "value": printable(record.value, _LONGEST_RAW),
    }


def _place(record: Record) -> Place:
    return {"partition": record.source.partition, "offset": record.offset}


def _past_place(past: PastEvent) -> Place:
    return {"partition": past.partition, "offset": past.offset}


def _topic_name(event: ChangeEvent, capture: Capture) -> str:
    topic = event.row.get(capture.presentation.topic_field)
    return _text(topic.get("name")) if isinstance(topic, dict) else ""


def _page(name: str, event: ChangeEvent) -> str:
    return "" if event.deletes else _url(name, event.key)


@lru_cache(maxsize=4096)
def _url(page: str, key: int | str) -> str:
    try:
        return reverse(page, args=[key]) if page else ""
    except NoReverseMatch:
        return ""


def _visible_columns(
    row: Row | None, capture: Capture, audience: Audience
) -> dict[str, Any] | None:
    if row is None:
        return None
    hidden = capture.hidden(audience)
    names = [column.name for column in capture.columns]
    return {name: row[name] for name in names if name in row and name not in hidden}


def _field(name: str, before: Row, after: Row) -> tuple[str, str | None, str | None]:
    old, new = (None if row.get(name) is None else _text(row[name]) for row in (before, after))
    if old and new and len(old) + len(new) > _ROW_LENGTH:
        old, new = without_common_start(old, new)
    return name, _shortened(old), _shortened(new)


def _shortened(text: str | None) -> str | None:
    return None if text is None else printable(text, LONGEST_VALUE)


def _check_depth(event: ChangeEvent) -> None:
    """Raise Rejected for values that are nested too deeply to be encoded again."""
    try:
        orjson.dumps([event.before, event.after])
    except orjson.JSONEncodeError:
        raise Rejected("The message contains values that are nested too deeply.") from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _iso(ts_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected("The message has a timestamp that is out of range.") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
