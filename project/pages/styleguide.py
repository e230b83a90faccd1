"""The style guide: every component of the pages, in both themes."""

from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest
from django.views.generic import TemplateView

from project.charts.columns import Series, column_chart
from project.charts.sparkline import sparkline
from stories.models import Status

_DAYS = ("2 Mar", "3 Mar", "4 Mar", "5 Mar")
_TONES = ("good", "info", "warn", "bad", "neutral")


class StyleGuide(UserPassesTestMixin, TemplateView):
    """Every component of the pages, in both themes, for staff."""

    request: HttpRequest
    template_name = "styleguide/styleguide.html"
    extra_context = {
        "themes": ("light", "dark"),
        "partitions": range(3),
        "statuses": Status.values,
        "spark": sparkline([0, 3, 4, 2, 12, 5, 3], summary="At most 12 changes per minute"),
        "columns": column_chart(
            (Series("Harbours", (3, 5, 2, 6)), Series("Railways", (2, 1, 4, 3))),
            labels=_DAYS,
            titles=_DAYS,
            summary="Up to 9 stories per day",
            before=(4, 4, 5, 6),
        ),
        "colours": (
            *("canvas", "panel", "raised", "sunken", "hover", "hairline", "control"),
            *("text", "muted", "accent", "accent-soft"),
            *(f"{tone}{shade}" for tone in _TONES for shade in ("", "-soft")),
        ),
    }

    def test_func(self) -> bool:
        return self.request.user.is_staff
