"""A database for one test module. Its processes run during all tests of the module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection

from project.config.databases import database

_ADDRESS = ("NAME", "HOST", "PORT", "USER", "PASSWORD")


@contextmanager
def isolated_database(name: str, folder: Path, server: str | None = None) -> Iterator[None]:
    """Make this process write to a new database, on the test's server or on `server`.

    `server` is a database URL without the name of a database.
    """
    before = {key: connection.settings_dict[key] for key in _ADDRESS}
    there = database(f"{server}/{name}") if server else before
    if connection.vendor == "sqlite":
        name = str(folder / f"{name}.sqlite3")
    _connect_to({**there, "NAME": name})
    try:
        _create(name)
        call_command("migrate", verbosity=0)
        yield
        _drop(name)
    finally:
        _connect_to(before)


def server_kind() -> str:
    """Return `mysql` or `mariadb`, the key of the test's server in DATABASES."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        return "mariadb" if "MariaDB" in str(cursor.fetchone()[0]) else "mysql"


def _connect_to(address: dict[str, Any]) -> None:
    connection.close()
    # The connections of all threads share this dictionary.
    connection.settings_dict.update({key: address[key] for key in _ADDRESS})


def _create(name: str) -> None:
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")


def _drop(name: str) -> None:
    connection.close()
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")
