"""A Django check of the database server's connection limit."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import connections

from project.http.admission import OTHER_CONNECTIONS

_DAEMON_CONNECTIONS = 12
"""The connections of one relay, one consumer, `run_jobs` and a command."""


def check_connections(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn if all processes together may open more connections than the server accepts."""
    environment = settings.ENVIRONMENT
    pages = environment.web_workers * (environment.database_connections + OTHER_CONNECTIONS)
    needed = pages + _DAEMON_CONNECTIONS
    return [
        CheckWarning(
            f"The database server accepts {accepted} connections, but this site may need {needed}.",
            hint=f"Set max_connections to {needed} or more, or reduce DATABASE_CONNECTIONS.",
            id="project.W001",
        )
        for alias in databases or ()
        if (accepted := _accepted(alias)) and accepted < needed
    ]


def _accepted(alias: str) -> int | None:
    """Return the server's `max_connections`; None if it has no such limit."""
    if connections[alias].vendor != "mysql":
        return None
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT @@max_connections")
        return int(cursor.fetchone()[0])
