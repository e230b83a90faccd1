"""`EMAIL_URL` as Django's mail settings."""

from typing import Any
from urllib.parse import unquote, urlsplit

import dj_email_url

from cdc.errors import Misconfigured
from project.config.urls import require_encoded


def mail(url: str) -> dict[str, Any]:
    """Return the settings of the mail server. Raise Misconfigured for an invalid URL."""
    require_encoded("EMAIL_URL", url, ("smtp", "smtps", "smtp+tls", "smtp+ssl", "submission"))
    try:
        config: dict[str, Any] = dict(dj_email_url.parse(url))
    except ValueError:
        config = {}
    if "EMAIL_BACKEND" not in config:
        # The URL may contain a password, so the message repeats only the scheme.
        raise Misconfigured(
            f"EMAIL_URL starts with {url.partition(':')[0]!r}: "
            "use smtp://user:pass@host:587, smtps://…, console:// or file:///path."
        )
    if url.startswith("file:"):
        # The library drops the first slash, so the path would be relative to the working folder.
        config["EMAIL_FILE_PATH"] = unquote(urlsplit(url).path)
    return config
