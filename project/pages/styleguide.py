"""The style guide: every component of the pages, in both themes."""

from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest
from django.views.generic import TemplateView

_TONES = ("good", "info", "warn", "bad", "neutral")


class StyleGuide(UserPassesTestMixin, TemplateView):
    """Every component of the pages, in both themes, for staff."""

    request: HttpRequest
    template_name = "styleguide/styleguide.html"
    extra_context = {
        "themes": ("light", "dark"),
        "partitions": range(3),
        "colours": (
            *("canvas", "panel", "raised", "sunken", "hover", "hairline", "control"),
            *("text", "muted", "accent", "accent-soft"),
            *(f"{tone}{shade}" for tone in _TONES for shade in ("", "-soft")),
        ),
    }

    def test_func(self) -> bool:
        return self.request.user.is_staff
