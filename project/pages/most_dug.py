"""The most dug stories of the last day or week, for the front page and the home page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from stories.models import Status, Story

_LISTED = 6
_SECONDS = 30
_KEY = "most_dug"
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
# Anonymous visitors see these stories, so the stories must have been reviewed.
_REVIEWED = (Status.UPCOMING, Status.POPULAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class MostDug:
    """The most dug stories of one day or one week, most diggs first."""

    stories: tuple[Story, ...] = ()
    newest: datetime | None = None
    """When the newest reviewed story was submitted."""
    is_week: bool = False
    """Whether the stories are those of a week, because the day had too few."""
    is_current: bool = True
    """Whether the period ends now. If not, its last day is that of the newest story, in UTC."""

    @property
    def period(self) -> str:
        """The day or the week in words."""
        if self.newest is None or self.is_current:
            return "Last 7 days" if self.is_week else "Last 24 hours"
        day = f"{self.newest.day} {self.newest:%B} {self.newest.year}"
        return f"Week to {day}" if self.is_week else day


def most_dug() -> MostDug:
    """Return the most dug stories of the last day, read at most twice a minute.

    If that day has fewer stories than a page lists, return those of its week. If the last week has
    no stories, the day and the week end on the day of the newest story, in UTC.
    """
    return cache.get_or_set(_KEY, _read, _SECONDS) or MostDug()


def _read() -> MostDug:
    now = timezone.now()
    reviewed = Story.objects.filter(status__in=_REVIEWED, submit_date__lte=now)
    newest = reviewed.order_by("-submit_date").values_list("submit_date", flat=True).first()
    if newest is None:
        return MostDug()
    is_current = newest > now - _WEEK
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    day, week = (
        _best(reviewed, now - length if is_current else _earlier(midnight, length - _DAY))
        for length in (_DAY, _WEEK)
    )
    is_week = len(day) < len(week)
    stories = week if is_week else day
    return MostDug(stories=stories, newest=newest, is_week=is_week, is_current=is_current)


def _best(stories: QuerySet[Story], since: datetime) -> tuple[Story, ...]:
    return tuple(stories.filter(submit_date__gte=since).order_by("-diggs", "-id")[:_LISTED])


def _earlier(moment: datetime, length: timedelta) -> datetime:
    """Return the moment `length` before; at the start of the calendar, `moment` itself."""
    try:
        return moment - length
    except OverflowError:
        return moment
