"""A report: the stories of a period and of the previous period, counted in MongoDB."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.core.cache import cache
from django.utils.text import capfirst

from cdc.api import registry
from cdc.reports import (
    Group,
    Key,
    Period,
    by_calendar,
    by_choice,
    by_field,
    by_host,
    by_minutes,
    count_matching,
    count_total,
    read_extent,
    read_groups,
    read_highest,
    read_last_change,
)
from project.dashboard.lines import Line, lines_of, site_of, submitters_of, text_of
from project.dashboard.periods import FIELD, Choice, Span, end_of, span_of
from stories.models import Status, Story

CHARTED_TOPICS = 5
"""The number of topics with their own colour in the chart. All other topics share one colour."""
MOST_LINES = 1_000
"""The maximum number of lines in a table."""
HIGHEST = 100
"""The maximum number of stories in the list of those with the most diggs."""
NO_TOPIC = "No topic"
DIGGS, COMMENTS = "diggs", "comments"
POPULAR, WAITING = Status.POPULAR.value, Status.SUBMITTED.value
_MANY = 50_000
_THREADS = 2
_CHARTED_KEY, _CHARTED_SECONDS = "dashboard.charted", 60
_STORY_FIELDS = ("title", "topic.name", DIGGS, COMMENTS, FIELD)
_MEASURES = {
    DIGGS: count_total(DIGGS),
    COMMENTS: count_total(COMMENTS),
    **{status.value: count_matching("status", status.value) for status in Status},
}


class Sides(NamedTuple):
    """The groups of a period, and the groups of the previous period."""

    now: Sequence[Group]
    before: Sequence[Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of counting the stories of a choice."""

    choice: Choice
    span: Span
    topics: tuple[Line, ...]
    sites: tuple[Line, ...]
    submitters: tuple[Line, ...]
    media: tuple[Line, ...]
    days: Sides
    """The counts by the first day of each column; in the period itself, also by topic."""
    minutes: Sides
    """The number of stories for each number of minutes from submission to promotion."""
    stories: tuple[Mapping[str, Any], ...]
    """Some fields of the stories with the most diggs."""
    changed_at: datetime | None
    """When the newest change that has reached the replica was saved; None without a history."""
    charted: tuple[str, ...]
    """The five topics with the most stories in all periods, the largest first."""
    earlier: date | None
    """The day of the newest story before the period."""


def read_report(choice: Choice) -> Report | None:
    """Count the stories of a choice; return None if it has no stories.

    Raise Retryable if MongoDB is unavailable or slow.
    """
    collection = registry.by_table()[Story._meta.db_table].collections[0]
    now = datetime.now(UTC)
    extent = read_extent(collection, FIELD, end_of(choice, now))
    if extent is None:
        return None
    return _Queries(collection, span_of(choice, *extent, now)).report(choice)


@dataclass(frozen=True, slots=True)
class _Queries:
    """The queries of one report."""

    collection: str
    span: Span

    def report(self, choice: Choice) -> Report:
        """Return the report. The queries run in two threads."""
        with ThreadPoolExecutor(_THREADS) as pool:
            charted = pool.submit(cache.get_or_set, _CHARTED_KEY, self._charted, _CHARTED_SECONDS)
            topics = pool.submit(self._both, by_field("topic.name"), DIGGS, POPULAR, WAITING)
            sites = pool.submit(self._both, by_host("link"), DIGGS)
            submitters = pool.submit(self._both, by_field("user.name", "submitted_by_id"), DIGGS)
            media = pool.submit(self._both, by_field("media"))
            minutes = pool.submit(self._both, by_minutes(FIELD, "promote_date"), limit=_MANY)
            stories = pool.submit(self._stories)
            days = pool.submit(self._days, charted.result() or ())
        return Report(
            choice=choice,
            span=self.span,
            topics=_lines(topics.result(), NO_TOPIC, str),
            sites=_lines(sites.result(), "No site", site_of),
            # The names of accounts are in the database, which only this thread reads.
            submitters=lines_of(*map(submitters_of, submitters.result())),
            media=_lines(media.result(), "No media", capfirst),
            days=days.result(),
            minutes=minutes.result(),
            stories=stories.result(),
            changed_at=read_last_change(Story._meta.db_table),
            charted=charted.result() or (),
            earlier=self._earlier(),
        )

    def _both(self, key: Key, *counts: str, limit: int = MOST_LINES) -> Sides:
        """Return the groups of the period, and the groups of the previous period."""
        before = self.span.period_before
        return Sides(
            self._groups(self.span.period, key, counts=counts, limit=limit),
            # A line may have ranked much lower in the previous period, so this limit is high.
            self._groups(before, key, counts=(), limit=_MANY) if before else (),
        )

    def _days(self, charted: Iterable[str]) -> Sides:
        before, day = self.span.period_before, by_calendar(FIELD, self.span.unit)
        topic = by_choice("topic.name", charted)
        return Sides(
            self._groups(self.span.period, day, topic, counts=_MEASURES, limit=_MANY),
            self._groups(before, day, counts=_MEASURES, limit=_MANY) if before else (),
        )

    def _groups(
        self, period: Period, *keys: Key, counts: Iterable[str], limit: int
    ) -> tuple[Group, ...]:
        measures = {name: _MEASURES[name] for name in counts}
        return tuple(read_groups(self.collection, period, *keys, measures=measures, limit=limit))

    def _stories(self) -> tuple[Mapping[str, Any], ...]:
        found = read_highest(
            self.collection,
            self.span.period,
            DIGGS,
            fields=_STORY_FIELDS,
            without={"status": Status.REJECTED.value},
            limit=HIGHEST,
        )
        return tuple(found)

    def _charted(self) -> tuple[str, ...]:
        """Return the largest topics of all stories, so that each period has the same ones."""
        everything = Period(field=FIELD, since=None, until=datetime.now(UTC))
        groups = self._groups(everything, by_field("topic.name"), counts=(), limit=MOST_LINES)
        names = [group.keys[0] for group in groups if text_of(group.keys[0])]
        return tuple(names[:CHARTED_TOPICS])

    def _earlier(self) -> date | None:
        if self.span.first <= self.span.oldest:
            return None
        midnight = datetime.combine(self.span.first, time(), UTC)
        extent = read_extent(self.collection, FIELD, midnight - timedelta(milliseconds=1))
        return extent[1].date() if extent else None


def _lines(sides: Sides, empty: str, label: Callable[[str], str]) -> tuple[Line, ...]:
    now, before = (
        [(label(text_of(group.keys[0])) or empty, group) for group in groups] for groups in sides
    )
    return lines_of(now, before)
