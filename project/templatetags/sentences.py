"""Renders messages that are shown both in terminals and on pages."""

from typing import Any

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def coded(sentence: Any) -> SafeString:
    """Return the sentence as HTML. Text between backticks becomes <code>."""
    plain, *rest = str(sentence).split("`")
    if len(rest) % 2:
        return escape(sentence)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return format_html("{}{}", plain, format_html_join("", "<code>{}</code>{}", pairs))
