"""Where a system's changes are made: a MySQL database of its own, captured or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.core.management import call_command
from django.db import connection

from cdc.registry import Capture, registry
from stories.models import Story


def create(name: str) -> None:
    """Make the database, with its tables."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    go_to(name)
    call_command("migrate", verbosity=0)


def go_to(name: str) -> None:
    """Let all of this process's writes go to that database from now on."""
    connection.close()
    # In place: every thread's connection looks into this one dictionary.
    connection.settings_dict["NAME"] = name


@contextmanager
def capturing(topic: str | None) -> Iterator[None]:
    """Let stories' changes go to `topic`; with None, stories are a plain model of Django's."""
    before = dict(registry._by_model)
    changed: dict[type, Capture] = {}
    if topic is not None:
        changed[Story] = replace(before[Story], topic=topic)
    registry._by_model = changed
    try:
        yield
    finally:
        registry._by_model = before
