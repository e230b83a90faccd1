"""Filters of the admin's list that read a limited number of stories, however many there are."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from stories.models import Story

_NEWEST = 10_000
_TITLES = {"submit_date": "date submitted", "promote_date": "popular since"}


def media_of_newest() -> set[str]:
    """Return the media of the newest stories."""
    newest = Story.objects.order_by("-submit_date", "-id").values_list("media", flat=True)
    return {*newest[:_NEWEST]}


class DateFilter(admin.DateFieldListFilter):
    """Django's filter by a date, with the words of the story's page in its heading."""

    def __init__(self, field: Any, *args: Any, **options: Any) -> None:
        super().__init__(field, *args, **options)
        self.title = _TITLES[field.name]


class MediaFilter(admin.SimpleListFilter):
    """Filters by media. The choices are those of the newest stories; the URL may name others."""

    title = "media"
    parameter_name = "media"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(media, capfirst(media)) for media in sorted(media_of_newest())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Story]) -> QuerySet[Story]:
        media = self.value()
        return queryset if media is None else queryset.filter(media=media)


class YearFilter(admin.SimpleListFilter):
    """Filters by the year (UTC) in which a story was submitted.

    Unlike Django's date hierarchy, it lists every year from the first story to the last. Django
    would compute the year of each story.
    """

    title = "year submitted"
    parameter_name = "submitted_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        dates = Story.objects.values_list("submit_date", flat=True)
        # Not `aggregate`, because SQLite would read the whole index for a minimum and a maximum.
        oldest, newest = (
            dates.order_by("submit_date").first(),
            dates.order_by("-submit_date").first(),
        )
        if oldest is None or newest is None:
            return []
        years = range(newest.astimezone(UTC).year, oldest.astimezone(UTC).year - 1, -1)
        return [(str(year), str(year)) for year in years]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Story]) -> QuerySet[Story]:
        if self.value() is None:
            return queryset
        try:
            year = int(str(self.value()))
            first, last = (datetime(number, 1, 1, tzinfo=UTC) for number in (year, year + 1))
        except (ValueError, OverflowError):
            return queryset.none()
        return queryset.filter(submit_date__gte=first, submit_date__lt=last)
