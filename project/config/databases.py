"""Converts `DATABASE_URL` to Django's settings, with the options that each database needs."""

from pathlib import Path
from typing import Any

import dj_database_url
from django.db import connections

from cdc.errors import Misconfigured
from project.config.urls import require_encoded

_QUERY_TIMEOUT_SECONDS = 120
_SQLITE = "django.db.backends.sqlite3"
_MYSQL = "django.db.backends.mysql"
_OPTIONS: dict[str, dict[str, Any]] = {
    # IMMEDIATE takes the write lock at BEGIN. Without this mode, a transaction that reads and then
    # writes could fail at once with "database is locked", regardless of the timeout. With FULL, a
    # commit also survives a power failure: Kafka must not have a change that the database lost.
    _SQLITE: {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;",
    },
    # READ COMMITTED takes no gap locks on the outbox. Strict mode refuses values that do not fit
    # their columns, instead of changing them. SQL functions use UTC, not the server's time zone.
    _MYSQL: {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        "init_command": "SET sql_mode='STRICT_TRANS_TABLES', time_zone='+00:00'",
        "connect_timeout": 5,
    },
}
_SECONDS = ("connect_timeout", "read_timeout", "write_timeout", "timeout")
_TEXTS = ("unix_socket", "ssl_mode", "auth_plugin", "read_default_file", "read_default_group")
_SSL_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_MAY_BE_SET = {
    _SQLITE: ("timeout",),
    _MYSQL: ("connect_timeout", "read_timeout", "write_timeout", "ssl", *_TEXTS),
}
"""The options that a URL may set. `dj_database_url` converts `ssl-ca` to `ssl`."""
_FIXED = {
    "charset": ("utf8mb4", "a character such as an emoji could not be stored"),
    "isolation_level": (
        "read committed",
        "captured writes would read rows as of the start of the transaction",
    ),
    "transaction_mode": ("IMMEDIATE", "a write could fail at once with 'database is locked'"),
}
"""For each option, the only value that a URL may set, and the effect of any other value."""


def database(url: str) -> dict[str, Any]:
    """Return the settings of a MySQL or SQLite database.

    Raise Misconfigured for any other URL, and for an unsupported option or value.
    """
    require_encoded("DATABASE_URL", url, ("mysql", "mysql2", "sqlite"))
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=60))
    except (ValueError, dj_database_url.UnknownSchemeError):
        config = {}
    engine = config.get("ENGINE", "")
    if engine not in _OPTIONS:
        # The URL may contain a password, so the message repeats only the scheme.
        raise Misconfigured(
            f"DATABASE_URL starts with {url.partition(':')[0]!r}: "
            "use mysql://user:pass@host:3306/name or sqlite:////path/to/file."
        )
    if not config["NAME"]:
        raise Misconfigured("DATABASE_URL names no database: use mysql://user:pass@host:3306/name.")
    given = config.get("OPTIONS", {})
    _require_known(engine, given)
    config["OPTIONS"] = {**_OPTIONS[engine], **_encryption(given), **given}
    config["CONN_HEALTH_CHECKS"] = True
    return config


def set_query_timeouts() -> None:
    """Make queries of web requests fail if MySQL does not respond for a long time.

    Otherwise, if the database host disappeared, the threads of the requests would be blocked
    forever. The timeout is longer than MySQL's default limit for waiting for a row lock, which is
    50 s. `DATABASE_URL` may set a different timeout.
    """
    for config in connections.settings.values():
        if config["ENGINE"] == _MYSQL:
            for name in ("read_timeout", "write_timeout"):
                config["OPTIONS"].setdefault(name, _QUERY_TIMEOUT_SECONDS)


def _encryption(given: dict[str, Any]) -> dict[str, Any]:
    """Return the option that verifies the server with the certificate authority in the URL.

    Without this option, the client would accept connections without TLS, and certificates that the
    authority issued for other hosts. Raise Misconfigured if the file of the authority cannot be
    read.
    """
    ssl = given.get("ssl")
    if not isinstance(ssl, dict):
        return {}
    authority = str(ssl["ca"])
    try:
        Path(authority).open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Misconfigured(
            f"DATABASE_URL has the option 'ssl-ca' with the value {authority!r}, which cannot be "
            f"read ({reason}): name a readable file."
        ) from None
    return {"ssl_mode": "VERIFY_IDENTITY"}


def _require_known(engine: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name in _OPTIONS[engine] and name in _FIXED:
            _require_fixed(name, value)
        elif name not in _MAY_BE_SET[engine]:
            known = ", ".join(_MAY_BE_SET[engine]).replace("ssl,", "ssl-ca,")
            raise Misconfigured(
                f"DATABASE_URL has the option {name!r}, which is not supported: remove the option, "
                f"or use one of {known}."
            )
        elif name in _SECONDS and (isinstance(value, bool) or not isinstance(value, int)):
            raise Misconfigured(
                f"DATABASE_URL has the option {name!r} with the value {value!r}: use a whole "
                "number of seconds."
            )
        elif name == "ssl_mode" and value not in _SSL_MODES and not isinstance(value, list):
            raise Misconfigured(
                f"DATABASE_URL has the option 'ssl_mode' with the value {value!r}: use one of "
                f"{', '.join(_SSL_MODES)}."
            )
        elif isinstance(value, list):
            raise Misconfigured(f"DATABASE_URL has the option {name!r} twice: set it once.")


def _require_fixed(name: str, value: Any) -> None:
    needed, reason = _FIXED[name]
    if str(value).lower() != needed.lower():
        raise Misconfigured(
            f"DATABASE_URL has the option {name!r} with the value {value!r}, so {reason}: "
            f"remove the option, because Storyfeed sets it to {needed!r}."
        )
