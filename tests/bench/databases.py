"""The MySQL database of each system, and whether its changes are captured."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.core.management import call_command
from django.db import connection

from cdc.api import Capture, registry
from stories.models import Story


def create(name: str) -> None:
    """Create a database with its tables, and use it."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    use(name)
    call_command("migrate", verbosity=0)


def use(name: str) -> None:
    """Direct all further writes of this process to a database."""
    connection.close()
    # Changed in place, because the connections of all threads share this dictionary.
    connection.settings_dict["NAME"] = name


@contextmanager
def capturing(topic: str | None) -> Iterator[None]:
    """Capture changes of stories into `topic`, or not at all if it is None."""
    before = dict(registry._by_model)
    changed: dict[type, Capture] = {}
    if topic is not None:
        changed[Story] = replace(before[Story], topic=topic)
    registry._by_model = changed
    try:
        yield
    finally:
        registry._by_model = before
