"""The processes that have reported an error in the database and have not recovered."""

from datetime import timedelta

from django.db import DEFAULT_DB_ALIAS

from cdc.models import DaemonError
from cdc.printable import printable
from cdc.runtime.database import DatabaseNow
from cdc.runtime.error_report import STALE_SECONDS
from cdc.status.facts import Trouble

_LONGEST_ERROR = 300


def troubles() -> tuple[Trouble, ...]:
    """Return the processes that have not recovered, the longest-lasting error first."""
    recent = DatabaseNow() - timedelta(seconds=STALE_SECONDS)
    rows = DaemonError.objects.using(DEFAULT_DB_ALIAS).filter(last_at__gte=recent)
    return tuple(
        Trouble(
            process=printable(row.process, _LONGEST_ERROR),
            error=printable(row.error, _LONGEST_ERROR),
            since=row.since,
            attempts=row.attempts,
        )
        for row in rows.order_by("since", "process")
    )
