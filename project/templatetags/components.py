"""Tags for the parts that all pages share: icons, pills and the navigation."""

from functools import cache
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from lucide.templatetags.lucide import lucide as rendered

from project.navigation import Navigation
from project.navigation import navigation as navigation_of

register = template.Library()

_ICON = {
    "width": "1em",
    "height": "1em",
    "stroke_width": "1.75",
    "class": "sf-icon",
    "aria_hidden": "true",
}
_PILL_ICONS = {
    "good": "circle-check",
    "info": "info",
    "warn": "triangle-alert",
    "bad": "circle-x",
    "neutral": "circle-dashed",
}


@register.simple_tag(name="icon")
@cache
def draw(name: str) -> SafeString:
    """Return a Lucide icon as inline SVG. It has the size and the colour of the text."""
    return SafeString(rendered(name, size=None, **_ICON))


@register.simple_tag(name="lucide")
@cache
def draw_sized(name: str, *, size: int = 24, **attributes: str) -> SafeString:
    """Return a Lucide icon as inline SVG, with a side of `size` px.

    This tag replaces Lucide's own, which renders an icon again each time. A list shows 40 icons.
    """
    return SafeString(rendered(name, size=size, **attributes))


@register.simple_tag
def pill(kind: str, word: Any, icon: str = "") -> SafeString:
    """Return a state as an icon and a word. `kind` is good, info, warn, bad or neutral."""
    picture = draw(icon or _PILL_ICONS[kind])
    return format_html('<span class="sf-pill sf-pill-{}">{}{}</span>', kind, picture, word)


@register.simple_tag(takes_context=True)
def navigation(context: dict[str, Any]) -> Navigation | None:
    """Return the user's navigation, or None if the user is anonymous or there is no request."""
    request = context.get("request")
    return navigation_of(context.get("user"), request.path) if request else None
