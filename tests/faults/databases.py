"""A database of a module's own, so that processes may live as long as the module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection

from project.config.databases import database

_WHERE = ("NAME", "HOST", "PORT", "USER", "PASSWORD")


@contextmanager
def database_of_our_own(name: str, folder: Path, server: str | None = None) -> Iterator[None]:
    """Let all of this process's writes go to a new database, on the test's server or another.

    `server` is the other's address without a database's name.
    """
    before = {key: connection.settings_dict[key] for key in _WHERE}
    there = database(f"{server}/{name}") if server else before
    if connection.vendor == "sqlite":
        name = str(folder / f"{name}.sqlite3")
    _go_to({**there, "NAME": name})
    try:
        _create(name)
        call_command("migrate", verbosity=0)
        yield
        _drop(name)
    finally:
        _go_to(before)


def kind_of_server() -> str:
    """Return the name by which `tests.support.databases` knows the server in use."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        return "mariadb" if "MariaDB" in str(cursor.fetchone()[0]) else "mysql"


def _go_to(place: dict[str, Any]) -> None:
    connection.close()
    # In place: every thread's connection looks into this one dictionary.
    connection.settings_dict.update({key: place[key] for key in _WHERE})


def _create(name: str) -> None:
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")


def _drop(name: str) -> None:
    connection.close()
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")
