"""Converts `DATABASE_URL` to Django's settings, with the options that each database needs."""

from typing import Any

import dj_database_url

from cdc.errors import Misconfigured

_SQLITE = "django.db.backends.sqlite3"
_MYSQL = "django.db.backends.mysql"
_OPTIONS: dict[str, dict[str, Any]] = {
    # IMMEDIATE takes the write lock at BEGIN. Without this mode, a transaction that reads and then
    # writes could fail at once with "database is locked", regardless of the timeout.
    _SQLITE: {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
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


def database(url: str) -> dict[str, Any]:
    """Return the settings of a MySQL or SQLite database. Raise Misconfigured for other URLs."""
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=60))
    except (ValueError, dj_database_url.UnknownSchemeError):
        config = {}
    engine = config.get("ENGINE", "")
    if engine not in _OPTIONS:
        # The URL may contain a password, so the message repeats only the scheme.
        raise Misconfigured(
            f"DATABASE_URL starts with {url.partition(':')[0]!r}: "
            "give mysql://user:pass@host:3306/name or sqlite:////path/to/file."
        )
    config["OPTIONS"] = {**_OPTIONS[engine], **config.get("OPTIONS", {})}
    config["CONN_HEALTH_CHECKS"] = True
    return config
