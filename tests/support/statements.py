"""Counts the statements that a connection sends, including those that Django does not log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def statements(connection: Any) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the number of statements, after the block.

    The numbers are SQLite's and MySQL's own. MySQL also counts the statements that begin and end
    transactions, which Django sends without a cursor.
    """
    connection.ensure_connection()
    sent: list[Any] = []
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(sent.append)
        try:
            yield lambda: len(sent)
        finally:
            connection.connection.set_trace_callback(None)
        return
    before = _questions(connection)
    yield lambda: sent[0]
    sent.append(_questions(connection) - before - 1)


def _questions(connection: Any) -> int:
    with connection.connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])
