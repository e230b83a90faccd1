"""Reads the id that the database will assign to the next outbox row."""

import re
from typing import Any

from django.db import connections

from cdc.models import OutboxRecord

_TABLE = OutboxRecord._meta.db_table
_OPTIONS = re.compile(r"\bENGINE=.*?(?:\bAUTO_INCREMENT=(\d+)|$)", re.DOTALL)


def next_id(*, using: str) -> int | None:
    """Return the next outbox id; None if it cannot be determined.

    The next id is higher than all assigned ids, including the ids of rows that are not committed or
    were rolled back.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_TABLE])
            found = cursor.fetchone()
            return 1 + (found[0] if found else 0)
        if connection.vendor == "mysql":
            return _of_mysql(cursor)
    return None


def _of_mysql(cursor: Any) -> int | None:
    """Read the counter with SHOW CREATE TABLE, which opens the table.

    After a restart, MySQL's `information_schema` returns the value of the last checkpoint until the
    table is opened, even with `information_schema_stats_expiry=0`.
    """
    cursor.execute(f"SHOW CREATE TABLE {_TABLE}")
    _, _, options = cursor.fetchone()[1].rpartition("\n)")
    found = _OPTIONS.search(options)
    return int(found.group(1) or 1) if found else None
