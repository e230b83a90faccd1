"""Whether the database, Kafka and MongoDB answer, each asked by itself and seldom."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from cdc.conf import cdc_settings
from cdc.operations import ServiceProbes
from project.pages.latest import Latest, Reading

DATABASE = "database"
PATIENCE_SECONDS = 1.5
Check = Callable[[], str]


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    AWAY = "away"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that the site needs."""

    name: str
    state: State
    problem: str
    """What is wrong, with what to do; empty when nothing is."""


class Services:
    """Asks each part; the answer is what it lacks, or nothing. Who is away raises."""

    def database(self) -> str:
        """Ask for a row."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return ""

    def migrations(self) -> str:
        """Compare what is applied with what this release has."""
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        return f"{len(missing)} of them are missing: run `manage.py migrate`." if missing else ""

    def kafka(self) -> str:
        return self._probes.kafka()

    def mongodb(self) -> str:
        return self._probes.mongodb()

    def checks(self) -> dict[str, Check]:
        """Return all of them by name."""
        return {
            DATABASE: self.database,
            "migrations": self.migrations,
            "kafka": self.kafka,
            "mongodb": self.mongodb,
        }

    @cached_property
    def _probes(self) -> ServiceProbes:
        return ServiceProbes(cdc_settings())


class Parts:
    """Looks at all parts at the same time, each at most once a second for all who ask."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._latest = {name: Latest(check) for name, check in checks.items()}

    def look(self) -> tuple[Part, ...]:
        """Return the state of each part, within two seconds whatever is away."""
        until = time.monotonic() + PATIENCE_SECONDS
        begun = {name: latest.begin() for name, latest in self._latest.items()}
        return tuple(_part(name, wait(until - time.monotonic())) for name, wait in begun.items())


def address(name: str) -> str:
    """Return where a part is."""
    cdc = cdc_settings()
    places = {"kafka": cdc.bootstrap_servers, "mongodb": _without_password(cdc.mongodb_uri)}
    return places.get(name) or _database_address()


def _part(name: str, reading: Reading[str]) -> Part:
    if reading.problem:
        return Part(name=name, state=State.AWAY, problem=reading.problem)
    state = State.INCOMPLETE if reading.value else State.OK
    return Part(name=name, state=state, problem=reading.value or "")


def _without_password(uri: str) -> str:
    return urlsplit(uri).netloc.rpartition("@")[2]


def _database_address() -> str:
    database = settings.DATABASES["default"]
    host, port = database.get("HOST"), database.get("PORT")
    return f"{host}:{port or 3306}/{database['NAME']}" if host else str(database["NAME"])


parts = Parts(Services().checks())
