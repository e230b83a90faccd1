"""The homes of Customers and of Senior Management: what each looks for first."""

from datetime import UTC, date, datetime
from typing import Any

from django.views.generic import TemplateView

from cdc.operations import Figures
from project.pages import feed_state
from stories.models import Status
from stories.permissions import readable_by
from users.models import User, UserType
from users.roles import RoleRequiredMixin

_NEWEST = 8
_CHART_HEIGHT = 120
_BAR_WIDTH = 20


class CustomerHome(RoleRequiredMixin, TemplateView):
    """The newest stories."""

    role = UserType.CUSTOMER
    template_name = "homes/customer.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the stories."""
        user = self.request.user
        stories = readable_by(user)[:_NEWEST] if isinstance(user, User) else ()
        return super().get_context_data(**context, stories=stories)


class SeniorManagementHome(RoleRequiredMixin, TemplateView):
    """Totals and a trend, from the copy."""

    role = UserType.SENIOR_MANAGEMENT
    template_name = "homes/senior_management.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the figures, or why there are none."""
        reading = feed_state.copy.figures()
        figures = reading.value
        return super().get_context_data(
            **context,
            reading=reading,
            figures=figures,
            groups=_groups(figures) if figures else [],
            chart=chart(figures.days) if figures and figures.days else None,
            behind=_seconds_since(figures.changed_at) if figures else None,
        )


def chart(days: dict[date, int] | Any) -> dict[str, Any]:
    """Return the bars of a chart: whole numbers only, so that no locale can change them."""
    most = max(days.values()) or 1
    heights = {day: round(count * _CHART_HEIGHT / most) for day, count in days.items()}
    bars = [
        {"x": number * _BAR_WIDTH, "y": _CHART_HEIGHT - heights[day], "height": heights[day]}
        for number, day in enumerate(days)
    ]
    return {
        "bars": bars,
        "width": len(bars) * _BAR_WIDTH,
        "height": _CHART_HEIGHT,
        "bar": _BAR_WIDTH - 4,
        "first": min(days),
        "last": max(days),
        "most": most,
        "busiest": max(days, key=lambda day: days[day]),
        "sum": sum(days.values()),
    }


def _groups(figures: Figures) -> list[tuple[str, int]]:
    labels = {status.value: str(status.label) for status in Status}
    return [(labels.get(value, value), count) for value, count in figures.groups.items()]


def _seconds_since(moment: datetime | None) -> float | None:
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0) if moment else None
