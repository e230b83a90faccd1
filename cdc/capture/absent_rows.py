"""Keeps a cascade from deleting rows that other transactions insert after capture's lock."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections

from cdc.registry import Capture


def spare_absent_rows(capture: Capture, absent: Callable[[], Iterable[Any]], *, using: str) -> None:
    """Make the DELETEs of the innermost block spare the keys that `absent` returns.

    Django collects the rows of a cascade before capture locks them. If another transaction
    deletes a row in between, there is no row to lock, and a third transaction can insert a row with
    the same key. The new row was never locked, so its delete would have no event.
    """
    connection = connections[using]
    if connection.vendor != "mysql":  # SQLite has one writer
        return
    block, wrappers = connection.atomic_blocks[-1], connection.execute_wrappers
    key, quote = capture.model._meta.pk, connection.ops.quote_name
    column = f"{quote(capture.table)}.{quote(capture.key.name)}"

    def until_the_end(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        blocks = connection.atomic_blocks
        if block not in blocks:
            wrappers.remove(until_the_end)
        # Deletes in signal receivers run in inner blocks, and lock their rows themselves.
        elif blocks[-1] is block and sql.startswith("DELETE ") and f"{column} IN (" in sql:
            values = [key.get_db_prep_value(one, connection) for one in absent()]
            sql += f" AND {column} NOT IN ({', '.join(['%s'] * len(values))})" if values else ""
            params = (*params, *values)
        return execute(sql, params, *rest)

    # Insert at the start, because `execute_wrapper` removes the last wrapper when it ends.
    wrappers.insert(0, until_the_end)
