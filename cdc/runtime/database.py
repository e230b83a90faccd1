"""Helpers for daemons that use a database: the database's clock, and the handling of errors.

If a SQLite file is replaced, an open connection still reads the old file and raises no error.
Daemons therefore close such a connection.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections
from django.db.models.functions import Now

from cdc.errors import Retryable

_FILE = "_cdc_file"


class DatabaseNow(Now):
    """The time by the database's clock, always in UTC."""

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


@contextmanager
def retryable_errors(using: str) -> Iterator[None]:
    """Convert a database error to Retryable, and close the connection, which may be broken.

    Before the block, close the connection of this thread if its SQLite file was replaced.
    """
    drop_replaced_file(using)
    try:
        yield
    except Error as error:
        connections[using].close()
        raise Retryable(
            f"Database error ({error}): check that the database is up and migrated."
        ) from error


def remember_file(connection: Any, **_: Any) -> None:
    """Store which file a new SQLite connection has opened; a receiver of `connection_created`."""
    if connection.vendor == "sqlite":
        vars(connection)[_FILE] = _identity(connection)


def drop_replaced_file(using: str) -> None:
    """Close the connection if its SQLite file was replaced; raise Retryable if the file is missing.

    A new connection would create the missing file as an empty database.
    """
    connection = connections[using]
    opened = vars(connection).get(_FILE)
    if opened is None or connection.in_atomic_block:
        return
    found = _identity(connection)
    if found is None:
        connection.close()
        raise Retryable(f"{connection.settings_dict['NAME']} is missing: restore the file.")
    if found != opened:
        connection.close()


def _identity(connection: Any) -> tuple[int, int] | None:
    try:
        file = os.stat(connection.settings_dict["NAME"])  # noqa: PTH116 -- may be `:memory:`
    except OSError:
        return None
    return file.st_dev, file.st_ino
