"""What daemons do about a database error: drop the connection and try again."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connections

from cdc.errors import Retryable


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
