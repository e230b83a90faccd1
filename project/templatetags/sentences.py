"""Renders messages that are shown both in terminals and on pages."""

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()
_MINUTE = 60
_UNITS = (("d", 86_400), ("h", 3_600), ("min", _MINUTE), ("s", 1))


@register.filter
def coded(sentence: Any) -> SafeString:
    """Return the sentence as HTML. Text between backticks becomes <code>."""
    plain, *rest = str(sentence).split("`")
    if len(rest) % 2:
        return escape(sentence)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return format_html("{}{}", plain, format_html_join("", "<code>{}</code>{}", pairs))


@register.filter
def duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as `2 min 5 s`."""
    left = max(round(seconds), 0)
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append((number, unit))
    text = " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)
    return text or "0 s"


@register.filter
def before(moment: datetime) -> str:
    """Return how long ago a moment was, such as `5 min ago` or `just now`."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    unit, size = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{int(seconds // size)} {unit} ago" if seconds >= _MINUTE else "just now"
