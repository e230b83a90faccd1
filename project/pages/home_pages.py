"""The home pages of Customers (the newest stories) and of Senior Management (the dashboard)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView

from cdc.operations import Figures
from project.pages import feed_state
from project.pages.bar_chart import bar_chart
from project.pages.most_dug import most_dug
from stories.actions.review import own_stories
from stories.listing.pages import newest
from stories.listing.topics import topics
from stories.models import Status
from users.models import UserType
from users.roles import RoleRequiredMixin, audience_of

_NEWEST = 8
_MINE = 3


@require_safe
def favicon(_: HttpRequest) -> HttpResponse:
    """Redirects to the icon of the site."""
    return HttpResponseRedirect(static("project/icon.svg"))


class CustomerHome(RoleRequiredMixin, TemplateView):
    """The newest stories, and the most dug stories of the day."""

    role = UserType.CUSTOMER
    template_name = "pages/newest_stories.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        shown = {
            "stories": newest(user, _NEWEST),
            "mine": own_stories(user)[:_MINE],
            "topics": topics(),
            "dug": most_dug(),
        }
        return super().get_context_data(**context, **shown)


class Dashboard(RoleRequiredMixin, TemplateView):
    """Totals and a trend of the stories, read from the replica."""

    role = UserType.SENIOR_MANAGEMENT
    template_name = "pages/dashboard.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        reading = feed_state.totals.get()
        totals = reading.value
        return super().get_context_data(
            **context,
            reading=reading,
            why=reading.problem if audience_of(self.request.user).sees_people else "",
            totals=totals,
            statuses=_by_status(totals) if totals else [],
            trend=trend(totals.days) if totals and totals.days else None,
            age=_seconds_since(totals.changed_at) if totals else None,
        )


def trend(days: Mapping[date, int]) -> dict[str, Any]:
    """Return a chart of stories per day, and the numbers that describe the chart."""
    busiest = max(days, key=lambda day: days[day])
    return {
        "chart": bar_chart(list(days.values()), height=120, step=20, gap=4),
        "first": min(days),
        "last": max(days),
        "busiest": busiest,
        "most": days[busiest],
        "sum": sum(days.values()),
    }


def _by_status(totals: Figures) -> list[tuple[str, int]]:
    labels = {status.value: str(status.label) for status in Status}
    return [(labels.get(value, value), count) for value, count in totals.groups.items()]


def _seconds_since(moment: datetime | None) -> float | None:
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0) if moment else None
