"""Creates the MySQL database of each system, and selects the database and the topic of writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.core.management import call_command
from django.db import connection

from cdc.api import Capture, registry
from stories.models import Story


def create(name: str) -> None:
    """Create a database with all tables, and make this process use it."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    use(name)
    call_command("migrate", verbosity=0)


def drop_expression_indexes(table: str) -> None:
    """Drop the indexes on expressions, because Debezium cannot parse one of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT index_name FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND table_name = %s AND expression IS NOT NULL",
            [table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP INDEX {name}")


def use(name: str) -> None:
    """Make this process use the database `name` from now on."""
    connection.close()
    # The connections of all threads share this dictionary.
    connection.settings_dict["NAME"] = name


@contextmanager
def capturing(topic: str | None) -> Iterator[None]:
    """Inside the block, send captured changes of stories to `topic`; None disables the capture."""
    before = dict(registry._by_model)
    changed: dict[type, Capture] = {}
    if topic is not None:
        changed[Story] = replace(before[Story], topic=topic)
    registry._by_model = changed
    try:
        yield
    finally:
        registry._by_model = before
