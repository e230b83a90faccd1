"""What the page of the feed shows: the last changes, or those from a time or a place on."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from cdc.errors import CdcError, Rejected
from cdc.feed import process
from cdc.feed.audience import Audience
from cdc.feed.change import Change
from cdc.feed.filter import Filter
from cdc.feed.past import PAGE, Page
from cdc.feed.position import FeedPosition
from cdc.wire.event import Version

_MOST_PAST = 1_000
"""Events of the history that are looked through for a page."""
_MOST_DIGITS = 18
_AWAY = "Kafka does not answer: what is saved now is kept and appears here by itself."
_NO_HISTORY = "From the topic: the history has none of these, or does not answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where in the topic to look, as an address says it; by default at its end."""

    before: FeedPosition | None = None
    after: FeedPosition | None = None
    moment: datetime | None = None
    place: tuple[int, int] | None = None

    @classmethod
    def parse(cls, query: QueryDict) -> "Asked":
        """Return what an address asks for; raises Rejected, saying what is wrong with it."""
        text = query.get("time", "").strip()
        number, offset = query.get("partition", "").strip(), query.get("offset", "").strip()
        return cls(
            before=_position(query.get("before", "")),
            after=_position(query.get("after", "")),
            moment=_moment(text) if text else None,
            place=(_number(number or "0"), _number(offset)) if offset else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the template shows."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    older: str = ""
    newer: str = ""
    """What the links to the neighbouring pages ask for."""
    live: str = ""
    """The position from which the stream goes on; empty where a page is not at the end."""
    follows: bool = False
    """Whether the stream is to be read: at the topic's end, or while Kafka is away."""
    asked: tuple[int, int] | None = None
    """Partition and offset of the change that was jumped to."""
    notice: str = ""
    problem: str = ""
    why: str = ""
    """The problem in the words of whoever has it, for operators."""


def view(asked: Asked, wanted: Filter, audience: Audience) -> View:
    """Return the page; services that are away are said on it."""
    try:
        if asked.moment and (found := _from_history(asked.moment, wanted, audience)):
            return found
        page, notice = _from_topic(asked, wanted, audience)
    except CdcError as error:
        now = asked == Asked()
        return View(problem=_AWAY, why=str(error) if audience.sees_people else "", follows=now)
    if page.lost:
        notice += f" Kafka no longer holds {page.lost} of the records looked through here."
    return View(
        rows=rows(page.changes, audience),
        older=wanted.query(before=str(page.older)) if page.older else "",
        newer=wanted.query(after=str(page.newer)) if page.newer else "",
        live=str(page.live or ""),
        follows=page.live is not None,
        asked=_jumped_to(asked, page.changes),
        notice=notice.strip(),
    )


def rows(changes: list[Change], audience: Audience) -> list[dict[str, Any]]:
    """Return changes as the template shows them, with what is known of their delays."""
    delays: Mapping[Version, float] = {}
    with suppress(CdcError):  # a page without delays is a page
        delays = process.history().applied([c.version for c in changes if c.version])
    return [_row(change, audience, delays) for change in changes]


def whole(partition: int, offset: int, audience: Audience) -> dict[str, Any] | None:
    """Return all of a change that an audience may see, from the topic, else from the history."""
    reader = process.changes()
    record = process.past().record(partition, offset)
    if record is not None and record.value is not None:
        return reader.whole(record, audience)
    past = process.history().at(partition, offset)
    return reader.whole_past(past, audience) if past else None


def _row(change: Change, audience: Audience, delays: Mapping[Version, float]) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(change.data[audience])
    seconds = delays.get(change.version) if change.version else None
    moment = datetime.fromtimestamp(change.ts_ms / 1000, tz=UTC) if change.op else None
    return {**data, "moment": moment, "ms": None if seconds is None else round(seconds * 1000)}


def _jumped_to(asked: Asked, changes: list[Change]) -> tuple[int, int] | None:
    """Return the change that was jumped to, or the first one behind it."""
    if not changes or not (asked.place or asked.moment):
        return None
    places = [(change.partition, change.offset) for change in changes]
    return asked.place if asked.place in places else places[-1]


def _from_topic(asked: Asked, wanted: Filter, audience: Audience) -> tuple[Page, str]:
    past = process.past()
    if asked.place:
        after = past.at_offset(*asked.place)
        if after is None:
            return Page(changes=[]), "The topic has no such partition."
        page = past.since(after, wanted, audience)
        held = any((c.partition, c.offset) == asked.place for c in page.changes)
        return page, "" if held or wanted else _about(asked.place)
    if asked.moment:
        after = past.at_time(int(asked.moment.timestamp() * 1000))
        return past.since(after, wanted, audience), _NO_HISTORY
    if asked.after:
        return past.since(asked.after, wanted, audience), ""
    return past.newest(asked.before, wanted, audience), ""


def _about(place: tuple[int, int]) -> str:
    """Return where a record is now that Kafka does not hold."""
    with suppress(CdcError):
        if found := process.history().at(*place):
            moment = datetime.fromtimestamp(found.event.ts_ms / 1000, tz=UTC)
            when = moment.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
            return f"Kafka no longer holds this record. The history does: jump to {when} UTC."
    return "Kafka holds no change there: these are the next ones."


def _from_history(moment: datetime, wanted: Filter, audience: Audience) -> View | None:
    """Return the first changes since `moment`; None when the history has none to give.

    It is complete where compaction has taken records from the topic.
    """
    try:
        events = process.history().since(moment, _MOST_PAST)
    except CdcError:
        return None
    changes: list[Change] = []
    last = moment
    for event in events:
        last = datetime.fromtimestamp(event.event.ts_ms / 1000, tz=UTC)
        change = process.changes().past(event)
        if change and wanted.matches(change, audience):
            changes.append(change)
            if len(changes) >= PAGE:
                break
    if not changes:
        return None
    more = len(events) == _MOST_PAST or len(changes) >= PAGE
    older = process.past().at_time(int(moment.timestamp() * 1000))
    return View(
        rows=rows(changes[::-1], audience),
        older=wanted.query(before=str(older)),
        asked=_jumped_to(Asked(moment=moment), changes[::-1]),
        newer=wanted.query(time=last.isoformat()) if more and last > moment else wanted.query(),
        notice="From the history, which keeps what Kafka forgets.",
    )


def _position(text: str) -> FeedPosition | None:
    return FeedPosition.parse(text) if text else None


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise Rejected("The time is not a date and a time in UTC, such as 2026-03-16T20:36:41.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise Rejected("Partition and offset are whole numbers from 0 on.")
    return int(text)
