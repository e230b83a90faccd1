"""Passwords in URLs: refuses URLs that are not percent-encoded, and inserts a separate password."""

import re
from urllib.parse import quote, urlsplit

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
            f"user name, the password and the path ({_SPECIAL}), and use a number as the port."
        )


def with_password(name: str, url: str, password: str) -> str:
    """Return the URL of the setting `name` with `password`, which may be empty.

    Raise Misconfigured if there is a password, but no user in the URL.
    """
    if not password:
        return url
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, hosts = authority.rpartition("@")
    if not (user := user.partition(":")[0]):
        raise Misconfigured(
            f"{name.rpartition('_')[0]}_PASSWORD is set, but {name} names no user: "
            f"use {scheme or 'scheme'}://user@host."
        )
    return f"{scheme}://{user}:{quote(password, safe='')}@{hosts}{rest[len(authority) :]}"


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        # `sqlite://:memory:` is a special form.
        return url == "sqlite://:memory:"
