"""Filters that show an account's values."""

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()
_BREAK = SafeString("@<wbr>")


@register.filter
def breakable(address: object) -> SafeString:
    """Return an e-mail address that a narrow page breaks after the @, and not within a name."""
    return format_html_join(_BREAK, "{}", ((part,) for part in str(address).split("@")))
