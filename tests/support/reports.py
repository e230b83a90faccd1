"""A report of the dashboard, for tests that do not need MongoDB."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cdc.reports import Group
from project.dashboard.lines import Line
from project.dashboard.periods import CHOICES, Choice, span_of
from project.dashboard.report import Report, Sides

NEWEST = datetime(2010, 3, 31, 18, tzinfo=UTC)
OLDEST = datetime(2010, 1, 1, 9, tzinfo=UTC)
PERSON = "moss_and_tin"


def counts(documents: int, **more: int) -> dict[str, int]:
    zeros = dict.fromkeys(("diggs", "comments", "submitted", "upcoming", "popular", "rejected"), 0)
    return {"documents": documents, **zeros, **more}


def group(*keys: Any, documents: int, **more: int) -> Group:
    return Group(keys=keys, counts=counts(documents, **more))


def line(label: str, now: int, before: int, **more: int) -> Line:
    return Line(label, counts(now, **more), counts(before))


def moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def report(choice: Choice = CHOICES["30"], **changes: Any) -> Report:
    """Return a report of two topics, with more stories each day, and hostile names."""
    span = span_of(choice, OLDEST, NEWEST)
    now = [
        group(moment(day), topic, documents=1 + place % 4, diggs=40, comments=3, popular=1)
        for place, day in enumerate(span.columns)
        for topic in ("Harbours", None)
    ]
    before = [
        group(moment(day - timedelta(days=choice.days or 0)), documents=2, diggs=90)
        for day in span.columns
    ]
    hostile = ("=1+1", "<b>Bold</b>", "x" * 255, "\u202eevil")
    fields: dict[str, Any] = {
        "choice": choice,
        "span": span,
        "topics": (line("Harbours", 75, 40, diggs=1200, popular=30), line("No topic", 75, 20)),
        "sites": tuple(line(f"site-{number}.example", 30 - number, number) for number in range(12)),
        "submitters": (line(PERSON, 9, 3, diggs=12), *(line(name, 2, 0) for name in hostile)),
        "media": (line("News", 120, 50), line("Videos", 30, 10)),
        "days": Sides(now, before if span.before else ()),
        "minutes": Sides(
            (group(90, documents=3), group(125, documents=4), group(None, documents=8)),
            (group(200, documents=3),),
        ),
        "stories": tuple(
            {"_id": number, "title": title, "topic": {"name": "Harbours"}, "diggs": 90 - number}
            for number, title in enumerate(("A ferry captain", *hostile))
        ),
        "changed_at": datetime.now(UTC) - timedelta(seconds=9),
        "charted": ("Railways", "Harbours"),
        "earlier": date(2010, 3, 1) if choice.days == 30 else None,
    }
    return Report(**{**fields, **changes})


def drained(content: AsyncIterator[bytes]) -> bytes:
    """Return all parts of a stream that never waits.

    This needs no event loop of its own, because one is already running in the thread of the browser
    tests.
    """
    parts = []
    while True:
        try:
            content.__anext__().__await__().send(None)
        except StopIteration as part:
            parts.append(part.value)
        except StopAsyncIteration:
            return b"".join(parts)
