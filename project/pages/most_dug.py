"""The stories of the last day with the most diggs, for the front page and the home page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

from stories.models import Status, Story

_LISTED = 6
_SECONDS = 30
_KEY = "most_dug"
_DAY = timedelta(days=1)
_SECOND_DAY = datetime.min.replace(tzinfo=UTC) + _DAY
"""The second day that Python can represent, which has a day before it."""
# Anonymous visitors see these stories, so the stories must have been reviewed.
_REVIEWED = (Status.UPCOMING, Status.POPULAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class MostDug:
    """The stories of one day with the most diggs, most diggs first."""

    stories: tuple[Story, ...] = ()
    newest: datetime | None = None
    """When the newest reviewed story was submitted."""

    @property
    def today(self) -> bool:
        """Whether the day is the last 24 hours; in an old data set, the day is an earlier one."""
        return self.newest is None or self.newest > timezone.now() - _DAY


def most_dug() -> MostDug:
    """Return the most dug stories of the last day with stories, read at most twice a minute."""
    return cache.get_or_set(_KEY, _read, _SECONDS) or MostDug()


def _read() -> MostDug:
    reviewed = Story.objects.filter(status__in=_REVIEWED, submit_date__lte=timezone.now())
    newest = reviewed.order_by("-submit_date").values_list("submit_date", flat=True).first()
    if newest is None:
        return MostDug()
    since = max(newest, _SECOND_DAY) - _DAY
    stories = reviewed.filter(submit_date__gt=since).order_by("-diggs", "-id")
    return MostDug(stories=tuple(stories[:_LISTED]), newest=newest)
