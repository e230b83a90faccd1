"""How a story's values are shown."""

from typing import Any
from urllib.parse import urlsplit

from django import template

register = template.Library()


@register.filter
def web_address(value: Any) -> str:
    """Return an address that is safe to link to, else nothing: a row need not have been checked."""
    text = str(value or "")
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"http", "https"} and parts.netloc else ""


@register.filter
def host(value: Any) -> str:
    """Return the name of the site that an address leads to."""
    address = web_address(value)
    return (urlsplit(address).hostname or "").removeprefix("www.") if address else ""


@register.filter
def short_name(value: Any) -> str:
    """Return the name in a story's section, topic or submitter, whatever shape it has."""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""
