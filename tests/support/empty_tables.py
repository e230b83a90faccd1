"""Empties the tables after a test, faster than Django does.

Django also deletes the content types and permissions, and then creates them again with the signal
`post_migrate`. This takes longer than most tests, and no test changes them. The epoch, which this
signal begins too, must be a new one, as after each flush.
"""

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections

from cdc.outbox.epoch import ensure_epoch

KEPT = {model._meta.db_table for model in (ContentType, Permission)}


def empty_tables(case: Any) -> None:
    """Empty the tables of a test's databases, as `TransactionTestCase._fixture_teardown` does."""
    for alias in case._databases_names(include_mirrors=False):
        connection: Any = connections[alias]
        filled = sorted(filled_tables(alias) - KEPT)
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), filled))
        ensure_epoch(using=alias)


def filled_tables(using: str) -> set[str]:
    """Return the tables that have rows. To find them is faster than to delete no rows."""
    connection: Any = connections[using]
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    quoted = map(connection.ops.quote_name, tables)
    selected = ", ".join(f"EXISTS (SELECT 1 FROM {name})" for name in quoted)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {selected}")
        return {name for name, found in zip(tables, cursor.fetchone(), strict=True) if found}
