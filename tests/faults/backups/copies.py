"""Backups of the database and of MongoDB, taken while the pipeline is running.

The test machine has no dump tools. The backups are therefore taken in the same way as
these tools do: a dump by `SELECT` in one snapshot, and a copy of the data folder under `fsyncLock`.
"""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import MySQLdb
from django.db import connection

from project.stack.mongod import Mongod


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    create: str
    rows: list[tuple[Any, ...]]


class SqlDump:
    """A logical backup of the test's database, as `mysqldump --single-transaction` takes it.

    As in a real dump, the rows are from the beginning of the snapshot, but the next id of each
    table is from the moment at which the table is read.
    """

    def __init__(self, between: Callable[[], object] = lambda: None) -> None:
        """`between` is called after the beginning of the snapshot."""
        tables = connection.introspection.table_names()
        with closing(_connect()) as found, found.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            between()
            self._tables = {name: _read(cursor, name) for name in tables}

    def restore(self) -> None:
        """Replace the database with the backup. No other program may be connected."""
        with closing(_connect()) as found, found.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            for name in connection.introspection.table_names():
                cursor.execute(f"DROP TABLE {name}")
            for name, table in self._tables.items():
                cursor.execute(table.create)
                if table.rows:
                    places = ", ".join(["%s"] * len(table.rows[0]))
                    cursor.executemany(f"INSERT INTO {name} VALUES ({places})", table.rows)
            found.commit()


class MongoCopy:
    """A copy of the data folder of a mongod, taken while `fsyncLock` delays all writes."""

    def __init__(self, server: Mongod, folder: Path) -> None:
        self._folder = folder
        with server._connect() as client:
            try:
                # A server that answers too late may have locked itself nevertheless.
                client.admin.command("fsync", lock=True)
                shutil.copytree(server.folder / "data", folder)
            finally:
                client.admin.command("fsyncUnlock")

    def restore(self, server: Mongod) -> None:
        """Replace the data folder of the server with a copy of this copy."""
        replace_data(server, self._folder)


def replace_data(server: Mongod, copy: Path | None) -> None:
    """Replace the data folder of the server with `copy`, or with an empty folder."""
    server.stop(60)
    data = server.folder / "data"
    shutil.rmtree(data)
    if copy:
        shutil.copytree(copy, data)
    server.start()


def _connect() -> Any:
    return MySQLdb.connect(**connection.get_connection_params())


def _read(cursor: Any, name: str) -> _Table:
    cursor.execute(f"SHOW CREATE TABLE {name}")
    create = cursor.fetchone()[1]
    cursor.execute(f"SELECT * FROM {name}")
    return _Table(create=create, rows=list(cursor.fetchall()))
