"""The stories of the last day or week with the most diggs, for the front page and the home page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from stories.models import Status, Story

_LISTED = 6
_SECONDS = 30
_KEY = "most_dug"
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_FIRST = datetime.min.replace(tzinfo=UTC)
"""The first moment that Python can represent."""
# Anonymous visitors see these stories, so the stories must have been reviewed.
_REVIEWED = (Status.UPCOMING, Status.POPULAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class MostDug:
    """The stories of one day or one week with the most diggs, most diggs first."""

    stories: tuple[Story, ...] = ()
    newest: datetime | None = None
    """When the newest reviewed story was submitted."""
    is_week: bool = False
    """Whether the stories are those of a week, because the day had too few."""

    @property
    def period(self) -> str:
        """The day or the week in words. If it is not the current one, the reason follows."""
        if self.newest is None or self.newest > timezone.now() - _DAY:
            return "Last 7 days" if self.is_week else "Last 24 hours"
        day = f"{self.newest.day} {self.newest:%B} {self.newest.year}"
        return f"{'Week to ' if self.is_week else ''}{day}. No newer story has been reviewed."


def most_dug() -> MostDug:
    """Return the most dug stories of the last day with stories, read at most twice a minute.

    If that day has fewer stories than a page lists, return those of its week.
    """
    return cache.get_or_set(_KEY, _read, _SECONDS) or MostDug()


def _read() -> MostDug:
    reviewed = Story.objects.filter(status__in=_REVIEWED, submit_date__lte=timezone.now())
    newest = reviewed.order_by("-submit_date").values_list("submit_date", flat=True).first()
    if newest is None:
        return MostDug()
    day, week = (_best(reviewed, newest, length) for length in (_DAY, _WEEK))
    is_week = len(day) < len(week)
    return MostDug(stories=week if is_week else day, newest=newest, is_week=is_week)


def _best(stories: QuerySet[Story], end: datetime, length: timedelta) -> tuple[Story, ...]:
    since = max(end, _FIRST + length) - length
    return tuple(stories.filter(submit_date__gt=since).order_by("-diggs", "-id")[:_LISTED])
