"""A change as the feed shows it, made once from a record that may hold anything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypedDict

import orjson
from django.urls import NoReverseMatch, reverse

from cdc.errors import Rejected
from cdc.feed.audience import Audience
from cdc.printable import inert
from cdc.registry import Capture
from cdc.wire.event import ChangeEvent, Operation, PastEvent, Row, Version, decode
from cdc.wire.records import Record

LONGEST_VALUE = 160
"""Characters of a value in a row of the feed; the whole change is a click away."""
_MOST_FIELDS = 8
_LONGEST_TITLE = 120
_LONGEST_NAME = 100
_LONGEST_STRANGER = 300
_LONGEST_WHOLE_STRANGER = 10_000
_OWN_BYTES = 600
"""About what the objects around a change take."""


class Place(TypedDict):
    """Where in the topic a change stands."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one record of the topic means to readers; `data` is what they are sent."""

    partition: int
    offset: int
    op: str
    """One of c, u, d, r; empty when the record is not an event of ours."""
    key: str
    subject: str
    who: str
    fields: frozenset[str]
    """The columns that an update changed."""
    personal: frozenset[str]
    """Those of them that are about people."""
    version: Version | None
    ts_ms: int
    """When it was captured; 0 when nobody knows."""
    data: Mapping[Audience, bytes]
    """JSON without line breaks, for each audience."""

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return _OWN_BYTES + sum(map(len, self.data.values()))

    def shown_fields(self, audience: Audience) -> frozenset[str]:
        """Return the changed columns that an audience may know of."""
        return self.fields if audience.sees_people else self.fields - self.personal


class ChangeReader:
    """Reads records of the topic for people; whatever they hold, it raises nothing."""

    def __init__(self, captures: Iterable[Capture]) -> None:
        self._captures = {capture.table: capture for capture in captures}

    def read(self, record: Record) -> Change | None:
        """Return what a record shows; None for a tombstone."""
        if record.value is None:
            return None
        try:
            event, capture = self._event(record)
        except Rejected as error:
            return _stranger(record, str(error))
        return _change(_place(record), event, capture)

    def past(self, past: PastEvent) -> Change | None:
        """Return what an event of the history shows; None for one of a table we do not know."""
        capture = self._captures.get(past.event.table)
        return _change(_past_place(past), past.event, capture) if capture else None

    def whole(self, record: Record, audience: Audience) -> dict[str, Any]:
        """Return everything of a record that an audience may see."""
        try:
            event, capture = self._event(record)
        except Rejected as error:
            return _whole_stranger(record, str(error), audience)
        return _whole(_place(record), event, capture, audience)

    def whole_past(self, past: PastEvent, audience: Audience) -> dict[str, Any] | None:
        """Return the same of an event of the history; None when its table is not known."""
        capture = self._captures.get(past.event.table)
        return _whole(_past_place(past), past.event, capture, audience) if capture else None

    def _event(self, record: Record) -> tuple[ChangeEvent, Capture]:
        event = decode(record.key, record.value or b"")
        capture = self._captures.get(event.table)
        if capture is None:
            # Nothing is known of its columns, so nothing of what in it is about people.
            raise Rejected("It is of a table that is not captured here.")
        _iso(event.ts_ms)
        _check_depth(event)
        return event, capture


def _change(place: Place, event: ChangeEvent, capture: Capture) -> Change:
    fields = _changed(event, capture)
    base = {
        **place,
        "op": event.op.value,
        "at": _iso(event.ts_ms),
        "key": inert(str(event.key), _LONGEST_NAME),
        "title": inert(_text(_latest(event).get(capture.presentation.title)), _LONGEST_TITLE),
        "page": _page(event, capture),
        "version": [event.version.epoch, event.version.outbox_id],
    }
    return Change(
        **place,
        op=event.op.value,
        key=str(event.key),
        subject=_subject(event, capture),
        who=event.user,
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
    people = audience.sees_people
    shown = [name for name in fields if people or name not in capture.presentation.personal]
    before, after = event.before or {}, event.after or {}
    rows = [(name, _value(before.get(name)), _value(after.get(name))) for name in shown]
    who = {"who": inert(event.user, _LONGEST_NAME)} if people else {}
    return orjson.dumps(
        {
            **base,
            **who,
            "fields": rows[:_MOST_FIELDS],
            "more": max(len(rows) - _MOST_FIELDS, 0),
            "hidden": len(fields) - len(shown),
        }
    )


def _stranger(record: Record, why: str) -> Change:
    base = {**_place(record), "op": "", "bytes": len(record.value or b"")}
    # What is wrong is told in words that may repeat some of it.
    told = {True: {**base, "why": inert(why, _LONGEST_STRANGER)}, False: base}
    return Change(
        **_place(record),
        op="",
        key="",
        subject="",
        who="",
        fields=frozenset(),
        personal=frozenset(),
        version=None,
        ts_ms=0,
        data={audience: orjson.dumps(told[audience.sees_people]) for audience in Audience},
    )


def _whole(
    place: Place, event: ChangeEvent, capture: Capture, audience: Audience
) -> dict[str, Any]:
    return {
        **place,
        "op": event.op.value,
        "ts_ms": event.ts_ms,
        "table": event.table,
        "key": event.key,
        "version": [event.version.epoch, event.version.outbox_id],
        **({"user": event.user} if audience.sees_people else {}),
        "before": _whole_row(event.before, capture, audience),
        "after": _whole_row(event.after, capture, audience),
    }


def _whole_stranger(record: Record, why: str, audience: Audience) -> dict[str, Any]:
    base = {**_place(record), "bytes": len(record.value or b"")}
    if not audience.sees_people:
        return base
    return {
        **base,
        "why": inert(why, _LONGEST_STRANGER),
        "key": inert(record.key, _LONGEST_WHOLE_STRANGER),
        "value": inert(record.value, _LONGEST_WHOLE_STRANGER),
    }


def _place(record: Record) -> Place:
    return {"partition": record.source.partition, "offset": record.offset}


def _past_place(past: PastEvent) -> Place:
    return {"partition": past.partition, "offset": past.offset}


def _changed(event: ChangeEvent, capture: Capture) -> list[str]:
    """Return the columns whose values an update changed; of the others every column is new."""
    if event.op is not Operation.UPDATE or event.before is None:
        return []
    before, after = event.before, event.after or {}
    names = [column.name for column in capture.columns]
    return [name for name in names if before.get(name) != after.get(name)]


def _latest(event: ChangeEvent) -> Row:
    return event.after or event.before or {}


def _subject(event: ChangeEvent, capture: Capture) -> str:
    held = _latest(event).get(capture.presentation.topic_field)
    return _text(held.get("name")) if isinstance(held, dict) else ""


def _page(event: ChangeEvent, capture: Capture) -> str:
    return "" if event.deletes else _address(capture.presentation.page, event.key)


@lru_cache(maxsize=4096)
def _address(page: str, key: int | str) -> str:
    try:
        return reverse(page, args=[key]) if page else ""
    except NoReverseMatch:
        return ""


def _whole_row(row: Row | None, capture: Capture, audience: Audience) -> dict[str, Any] | None:
    if row is None:
        return None
    hidden = frozenset() if audience.sees_people else capture.presentation.personal
    names = [column.name for column in capture.columns]
    return {name: row[name] for name in names if name in row and name not in hidden}


def _value(value: Any) -> str | None:
    return None if value is None else inert(_text(value), LONGEST_VALUE)


def _check_depth(event: ChangeEvent) -> None:
    """Raise Rejected for what can be read and not be written: it nests too deep to be compared."""
    try:
        orjson.dumps([event.before, event.after])
    except orjson.JSONEncodeError:
        raise Rejected("Its values nest too deep.") from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _iso(ts_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected("Its time is none.") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
