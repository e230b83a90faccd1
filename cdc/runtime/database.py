"""What daemons need of a database: its clock, and another attempt after an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections
from django.db.models.functions import Now

from cdc.errors import Retryable


class DatabaseNow(Now):
    """The time by the database's clock, in UTC whatever time zone its server or session is in."""

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


@contextmanager
def retryable_errors(using: str) -> Iterator[None]:
    """Turn a database error into Retryable, and close the connection, which may be broken."""
    try:
        yield
    except Error as error:
        connections[using].close()
        raise Retryable(
            f"Database error ({error}): check that the database is up and migrated."
        ) from error
