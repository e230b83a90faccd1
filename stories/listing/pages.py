"""The stories that match the filters of a list.

The time for a page must not depend on the number of stories. Every order has an index, except the
orders of one topic on MariaDB. A list ends after 1,000 stories, and a search reads about 10,000
stories.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from stories.listing.expressions import JSONName
from stories.listing.filters import Filters
from stories.listing.search import search
from stories.models import Status, Story, Vote
from stories.permissions import readable_by

MOST_LISTED = 1_000
"""The maximum number of stories in a list."""
MOST_SEARCHED = 10_000
"""The number of stories that one search reads, the newest first.

A search also reads further stories of the same date as the last one.
"""
_ORDERS = {"new": "-submit_date", "diggs": "-diggs", "comments": "-comments"}
_UNUSED = ("container", "shorturl", "href", "thumbnail", "promote_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The keys of the stories in a list, in the order of the list."""

    keys: Sequence[int] = ()
    is_cut: bool = False
    """Whether more stories match than are listed."""
    next_after: int = 0
    """The number of stories after which a search can continue; 0 if all have been searched."""


def listing(user: Any, filters: Filters, topics: Sequence[str]) -> Listing:
    """Return the stories in a list. `topics` are the names of the topics that a search covers."""
    if filters.hides_all:
        return Listing()
    stories = _filtered(user, filters)
    if filters.q:
        return _found(stories, filters, topics)
    order = _ORDERS[filters.sort]
    keys = list(stories.order_by(order, "-pk").values_list("pk", flat=True)[: MOST_LISTED + 1])
    return Listing(keys=keys[:MOST_LISTED], is_cut=len(keys) > MOST_LISTED)


def shown_to(user: Any, stories: QuerySet[Story]) -> QuerySet[Story]:
    """Add the data that a page shows: the submitter, and whether the user has dug the story."""
    votes = Vote.objects.filter(story=OuterRef("pk"), user=user.pk)
    return stories.select_related("submitted_by").annotate(dug=Exists(votes))


def in_order(user: Any, keys: Sequence[int]) -> list[Story]:
    """Return the stories with these keys, without those that were deleted in the meantime."""
    stories = shown_to(user, Story.objects.filter(pk__in=keys)).defer(*_UNUSED)
    by_key = {story.pk: story for story in stories}
    return [by_key[key] for key in keys if key in by_key]


def newest(user: Any, number: int) -> list[Story]:
    """Return the newest stories that are not rejected."""
    stories = Story.objects.exclude(status=Status.REJECTED)
    return list(shown_to(user, stories).defer(*_UNUSED)[:number])


def _filtered(user: Any, filters: Filters) -> QuerySet[Story]:
    """Return the filtered stories. Rejected ones are included only if their status is selected."""
    stories = _selected(filters)
    if filters.status == Status.REJECTED:
        return readable_by(user) & stories
    return stories if filters.status else stories.exclude(status=Status.REJECTED)


def _selected(filters: Filters) -> QuerySet[Story]:
    """Return the stories with the selected topic and status. The query needs only one index."""
    stories = Story.objects.all()
    if filters.status:
        stories = stories.filter(status=filters.status)
    if filters.topic:
        stories = stories.alias(of_topic=JSONName("topic")).filter(of_topic=filters.topic)
    return stories


def _found(stories: QuerySet[Story], filters: Filters, topics: Sequence[str]) -> Listing:
    """Search a part of the stories, ordered by date, and sort what was found."""
    end = filters.after + MOST_SEARCHED
    latest, oldest = _date_at(filters, filters.after), _date_at(filters, end)
    if latest is None:
        return Listing()
    # Stories of the same date are searched together, so that none of them is left out.
    by_date = stories.order_by("-submit_date", "-pk")
    by_date = by_date.filter(submit_date__lte=latest)
    if oldest:
        by_date = by_date.filter(submit_date__gte=oldest)
    matching = search(by_date, filters.q, topics)
    rows = list(matching.values_list("pk", "diggs", "comments")[: MOST_LISTED + 1])
    kept = rows[:MOST_LISTED]
    if filters.sort != "new":
        kept.sort(key=lambda row: (row[1 if filters.sort == "diggs" else 2], row[0]), reverse=True)
    return Listing(
        keys=[row[0] for row in kept],
        is_cut=len(rows) > MOST_LISTED,
        next_after=end if oldest else 0,
    )


def _date_at(filters: Filters, position: int) -> datetime | None:
    """Return the date of the selected story at a position, counted from the newest one."""
    by_date = _selected(filters).order_by("-submit_date", "-pk")
    dates: Any = by_date.values_list("submit_date", flat=True)
    return next(iter(dates[position : position + 1]), None)
