"""Reads a SQLite file that another process writes to."""

import sqlite3
from contextlib import closing
from pathlib import Path


def outbox_sequence(file: Path) -> int:
    """Return the id of the last row that was ever added to the outbox."""
    with closing(sqlite3.connect(file, timeout=60)) as database:
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'cdc_outbox'"
        row = database.execute(query).fetchone()
    return int(row[0]) if row else 0
