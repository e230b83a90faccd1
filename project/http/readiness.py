"""The state of the database, its migrations, Kafka and MongoDB, each checked independently."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from cdc.commands import thread_problems
from cdc.conf import cdc_settings
from cdc.operations import ServiceProbes
from project.pages.latest import Latest, Reading

DATABASE, THREADS = "database", "threads"
PATIENCE_SECONDS = 1.5
Check = Callable[[], str]
"""A function that returns a message if something is missing; otherwise, an empty string.

The function raises an error if the service is not responding.
"""


class State(StrEnum):
    """The state of a part."""

    OK = "ok"
    AWAY = "away"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that the site needs: a service, the migrations, or the background threads."""

    name: str
    state: State
    problem: str
    """What is wrong; empty if the state is ok."""


class Services:
    """The checks that connect to the real services."""

    def database(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return ""

    def migrations(self) -> str:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        return f"Unapplied migrations: {len(missing)}. Run `manage.py migrate`." if missing else ""

    def kafka(self) -> str:
        return self._probes.kafka()

    def mongodb(self) -> str:
        return self._probes.mongodb()

    def checks(self) -> dict[str, Check]:
        return {
            DATABASE: self.database,
            "migrations": self.migrations,
            "kafka": self.kafka,
            "mongodb": self.mongodb,
        }

    # The clients of Kafka and MongoDB are created on first use, because most web processes are
    # never probed.
    @cached_property
    def _probes(self) -> ServiceProbes:
        return ServiceProbes(cdc_settings())


class Parts:
    """Checks all services concurrently, and each service at most once per second."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._latest = {name: Latest(check) for name, check in checks.items()}

    def look(self) -> tuple[Part, ...]:
        """Return the state of each service, within two seconds even if no service responds.

        If background threads of this process fail, the result also has a part for them.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        begun = {name: latest.begin() for name, latest in self._latest.items()}
        parts = (_part(name, wait(until - time.monotonic())) for name, wait in begun.items())
        return (*parts, *_failing_threads())


def address(name: str) -> str:
    """Return the address of a service, without credentials."""
    cdc = cdc_settings()
    addresses = {"kafka": cdc.bootstrap_servers, "mongodb": urlsplit(cdc.mongodb_uri).netloc}
    if name == THREADS:
        return ""
    return addresses[name].rpartition("@")[2] if name in addresses else _database_address()


def _part(name: str, reading: Reading[str]) -> Part:
    if reading.problem or reading.value is None:
        problem = reading.problem or "It has not been checked yet."
        return Part(name=name, state=State.AWAY, problem=problem)
    state = State.INCOMPLETE if reading.value else State.OK
    return Part(name=name, state=state, problem=reading.value or "")


def _failing_threads() -> tuple[Part, ...]:
    problem = " ".join(thread_problems())
    return (Part(name=THREADS, state=State.AWAY, problem=problem),) if problem else ()


def _database_address() -> str:
    database = settings.DATABASES["default"]
    host, port = database.get("HOST"), database.get("PORT")
    return f"{host}:{port or 3306}/{database['NAME']}" if host else str(database["NAME"])


parts = Parts(Services().checks())
