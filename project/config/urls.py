"""Refuses URLs whose user name or password is not percent-encoded."""

import re
from urllib.parse import urlsplit

from cdc.errors import Misconfigured

_SPECIAL = "%23 for '#', %2F for '/', %3F for '?', %5B for '[', %5D for ']', %40 for '@'"


def require_encoded(name: str, url: str, schemes: tuple[str, ...]) -> None:
    """Raise Misconfigured if a special character splits the URL at the wrong place.

    URLs with other schemes are ignored. The message repeats no part of the URL, which may contain
    a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in schemes:
        return
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    query = rest.partition("?")[2]
    has_other_text = query and any("=" not in part for part in query.split("&"))
    splits_early = "#" in rest or "@" in rest[len(authority) :]
    if splits_early or has_other_text or not _has_valid_port(url):
        raise Misconfigured(
            f"{name} cannot be split into its parts: percent-encode special characters in the "
            f"user name, the password and the path ({_SPECIAL}), and give a number as the port."
        )


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        # `sqlite://:memory:` is a special form.
        return url == "sqlite://:memory:"
