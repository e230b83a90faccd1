"""Filters that show a story's values."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()
_MINUTE = 60


@register.filter
def web_address(value: Any) -> str:
    """Return an http or https address unchanged; for anything else, return an empty string.

    Browsers read a backslash as a slash, and would open a different host than `host` returns.
    """
    text = str(value or "")
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    is_web = parts.scheme in {"http", "https"} and parts.netloc and "\\" not in parts.netloc
    return text if is_web else ""


@register.filter
def host(value: Any) -> str:
    """Return the host name of an address, without `www.`."""
    address = web_address(value)
    return (urlsplit(address).hostname or "").removeprefix("www.") if address else ""


@register.filter
def short_name(value: Any) -> str:
    """Return the text that a JSON object has under the key `name`, or an empty string."""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


@register.filter
def submitter(story: Any) -> str:
    """Return the name of the user who submitted a story, here or at the source of the import."""
    return story.submitted_by.name if story.submitted_by else short_name(story.user)


@register.filter
def ago(moment: datetime) -> str:
    """Return the time since a moment in one unit, for example `3 hours ago`."""
    if (timezone.now() - moment).total_seconds() < _MINUTE:
        return "just now"
    return f"{timesince(moment, depth=1)} ago"
