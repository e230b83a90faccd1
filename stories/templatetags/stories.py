"""Filters that show a story's values."""

from typing import Any
from urllib.parse import urlsplit

from django import template

register = template.Library()


@register.filter
def web_address(value: Any) -> str:
    """Return an http or https address unchanged; for anything else, return an empty string."""
    text = str(value or "")
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"http", "https"} and parts.netloc else ""


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
