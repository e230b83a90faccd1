"""The content of the feed's page: the latest changes, or changes after a time or an offset."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from cdc.audience import Audience
from cdc.errors import CdcError, Misconfigured, Rejected
from cdc.feed import wiring
from cdc.feed.filter import Filter
from cdc.feed.position import FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.feed.topic_pages import PAGE, TopicPage
from cdc.wire.event import PastEvent, Version, tombstone_version
from cdc.wire.moments import milliseconds
from cdc.wire.records import Record
from cdc.wire.windows import Slow

_MOST_PAST_EVENTS = 1_000
"""The maximum number of history events that are searched for one page."""
_MOST_DIGITS = 18
_FIELD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?\Z", re.ASCII)
_KAFKA_UNREACHABLE = (
    "Kafka is not responding. New changes are kept and will appear here automatically."
)
_NOT_CONFIGURED = (
    "The feed cannot read Kafka, because a setting is wrong. New changes are kept and will appear "
    "here when the setting is corrected."
)
_CUT_SHORT = "These changes are large, so this page shows fewer. The adjacent pages show the rest."
_NO_HISTORY = (
    "These changes come from Kafka, because the history has no matching changes or is not "
    "responding."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The place in the topic that the URL requests; by default, the end of the topic."""

    before: FeedPosition | None = None
    after: FeedPosition | None = None
    moment: datetime | None = None
    skip: int = 0
    """How many events of the history since `moment` were examined for earlier pages."""
    place: tuple[int, int] | None = None

    @classmethod
    def parse(cls, query: QueryDict) -> "PageRequest":
        """Return the request in a query string. Raise Rejected if a value is invalid."""
        text = query.get("time", "").strip()
        number, offset = query.get("partition", "").strip(), query.get("offset", "").strip()
        return cls(
            before=_position(query.get("before", "")),
            after=_position(query.get("after", "")),
            moment=_moment(text) if text else None,
            skip=_number(query.get("skip", "").strip() or "0") if text else 0,
            place=(_number(number or "0"), _number(offset)) if offset else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """The content that the template shows."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    older: str = ""
    newer: str = ""
    """`older` and `newer` are the query strings of the links to the adjacent pages."""
    live: str = ""
    """The position at which the stream continues; empty if newer changes follow this page."""
    follows: bool = False
    """Whether the page reads the stream: true at the topic's end, even if Kafka is unreachable."""
    asked: tuple[int, int] | None = None
    """The partition and offset of the change that the user jumped to."""
    notice: str = ""
    problem: str = ""
    why: str = ""
    """The error message of the service; only operators see this message."""


def asked_values(query: QueryDict) -> dict[str, str]:
    """Return the values of the fields that jump to a place in the topic."""
    fields = {name: query.get(name, "") for name in ("time", "partition", "offset")}
    return {**fields, "time": _field_time(fields["time"].strip())}


def _field_time(text: str) -> str:
    """Return a time as form fields in browsers accept it: in UTC, without a zone, to the second."""
    if _FIELD_TIME.match(text):
        return text
    with suppress(Rejected):
        return _moment(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return ""


def chips(wanted: Filter) -> list[tuple[str, str, str]]:
    """For each condition except `ops`, return its label, its value and the query without it."""
    labels = {
        "key": "Story",
        "field": "Changed field",
        "topic_name": "Topic",
        "text": "Title contains",
        "user": "User",
    }
    return [
        (label, value, without(wanted, **{name: ""}).query())
        for name, label in labels.items()
        if (value := getattr(wanted, name))
    ]


def without(wanted: Filter, **empty: Any) -> Filter:
    """Return a filter without the conditions in `empty`, which maps names to empty values."""
    return replace(wanted, **empty)


def content_of(asked: PageRequest, wanted: Filter, audience: Audience) -> PageContent:
    """Return the page's content; if a service is unreachable, the content says so."""
    try:
        if asked.moment and (found := _from_history(asked.moment, asked.skip, wanted, audience)):
            return found
        page, notice = _from_topic(asked, wanted, audience)
    except CdcError as error:
        why = str(error) if audience.sees_people else ""
        return PageContent(problem=_problem(error), why=why, follows=asked == PageRequest())
    if page.cut_short:
        notice += f" {_CUT_SHORT}"
    if page.lost:
        notice += f" Kafka no longer has {page.lost} of the records in this range."
    return PageContent(
        rows=rows(page.changes, audience),
        older=wanted.query(before=str(page.older)) if page.older else "",
        newer=wanted.query(after=str(page.newer)) if page.newer else "",
        live=str(page.live or ""),
        follows=page.live is not None,
        asked=_jumped_to(asked, page.changes),
        notice=notice.strip(),
    )


def _problem(error: CdcError) -> str:
    if isinstance(error, Slow):
        return str(error)
    return _NOT_CONFIGURED if isinstance(error, Misconfigured) else _KAFKA_UNREACHABLE


def rows(changes: list[RenderedChange], audience: Audience) -> list[dict[str, Any]]:
    """Return the values of the changes for the template, with the delays if they are known."""
    delays: Mapping[Version, float] = {}
    with suppress(CdcError):  # The page is useful without delays.
        delays = wiring.history().applied([c.version for c in changes if c.version])
    return [_row(change, audience, delays) for change in changes]


def details(partition: int, offset: int, audience: Audience) -> dict[str, Any] | None:
    """Return everything that an audience may see of a change.

    The change is read from Kafka or, if Kafka does not have it, from the history. If Kafka has a
    tombstone, the history may have its delete. Any other event that the history has at the offset
    of a tombstone belongs to a deleted topic.
    """
    renderer = wiring.renderer()
    record = wiring.topic_pages().record(partition, offset)
    if record is not None and record.value is not None:
        return renderer.details(record, audience)
    past = wiring.history().at(partition, offset)
    if past is None or (record is not None and not _is_delete_of(record, past)):
        return None
    return renderer.past_details(past, audience)


def _is_delete_of(tombstone: Record, past: PastEvent) -> bool:
    with suppress(Rejected):  # Another program has written the tombstone.
        return tombstone_version(tombstone.headers) == past.event.version
    return False


def _row(
    change: RenderedChange, audience: Audience, delays: Mapping[Version, float]
) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(change.data[audience])
    seconds = delays.get(change.version) if change.version else None
    moment = datetime.fromtimestamp(change.ts_ms / 1000, tz=UTC) if change.op else None
    delay = {} if seconds is None else {"ms": round(seconds * 1000), "seconds": f"{seconds:.2f}"}
    return {"ms": None, **data, **delay, "moment": moment}


def _jumped_to(asked: PageRequest, changes: list[RenderedChange]) -> tuple[int, int] | None:
    """Return the place of the change that the user jumped to, or of the first change after it."""
    if not changes or not (asked.place or asked.moment):
        return None
    places = [(change.partition, change.offset) for change in changes]
    return asked.place if asked.place in places else places[-1]


def _from_topic(asked: PageRequest, wanted: Filter, audience: Audience) -> tuple[TopicPage, str]:
    pages = wiring.topic_pages()
    if asked.place:
        after = pages.at_offset(*asked.place)
        if after is None:
            return TopicPage(changes=[]), "The topic has no such partition."
        page = pages.since(after, wanted, audience)
        held = any((c.partition, c.offset) == asked.place for c in page.changes)
        return page, "" if held or wanted else _absent(asked.place)
    if asked.moment:
        after = pages.at_time(milliseconds(asked.moment) or 0)
        return pages.since(after, wanted, audience), _NO_HISTORY
    if asked.after:
        return pages.since(asked.after, wanted, audience), ""
    return pages.newest(asked.before, wanted, audience), ""


def _absent(place: tuple[int, int]) -> str:
    """Return a notice that says where to find a record that Kafka does not have."""
    with suppress(CdcError):
        if found := wiring.history().at(*place):
            moment = datetime.fromtimestamp(found.event.ts_ms / 1000, tz=UTC)
            when = moment.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
            return f"Kafka no longer has this record, but the history does: jump to {when} UTC."
    return "Kafka has no change at this offset. These are the next changes."


def _from_history(
    moment: datetime, skip: int, wanted: Filter, audience: Audience
) -> PageContent | None:
    """Return the first changes since `moment`, or None if the history returns no changes.

    The first `skip` events are left out, because they were examined for earlier pages. The history
    also has the changes that compaction has removed from the topic.
    """
    try:
        events = wiring.history().since(moment, _MOST_PAST_EVENTS, skip)
    except CdcError:
        return None
    changes: list[RenderedChange] = []
    examined = 0
    for event in events:
        examined += 1
        change = wiring.renderer().render_past(event)
        if change and wanted.matches(change, audience):
            changes.append(change)
            if len(changes) >= PAGE:
                break
    if not changes:
        return None
    more = examined < len(events) or examined == _MOST_PAST_EVENTS
    older = wiring.topic_pages().at_time(milliseconds(moment) or 0)
    return PageContent(
        rows=rows(changes[::-1], audience),
        older=wanted.query(before=str(older)),
        asked=_jumped_to(PageRequest(moment=moment), changes[::-1]),
        newer=wanted.query(**(_continued(moment, skip, events[:examined]) if more else {})),
        notice="These changes come from the history, which also has the changes that Kafka has "
        "removed by compaction.",
    )


def _continued(moment: datetime, skip: int, examined: list[PastEvent]) -> dict[str, str]:
    """Return the query of the page after the events that were examined.

    Several events may have the time of the last one, so the query contains how many of these
    events were examined.
    """
    last = examined[-1].event.ts_ms
    same = sum(each.event.ts_ms == last for each in examined)
    if last == milliseconds(moment):
        same += skip
    time = datetime.fromtimestamp(last / 1000, tz=UTC).isoformat()
    return {"time": time, "skip": str(same)}


def _position(text: str) -> FeedPosition | None:
    return FeedPosition.parse(text) if text else None


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise Rejected("Enter a date and a time in UTC, such as 2026-03-16T20:36:41.")
    if milliseconds(moment) is None:
        raise Rejected("The time must be from 1970 to 9999, such as 2026-03-16T20:36:41.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise Rejected("Partition and offset must be whole numbers of 0 or more.")
    return int(text)
