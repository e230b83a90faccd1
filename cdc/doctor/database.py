"""Examines the database: server, session, tables, rights and clock."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.core.checks import Tags
from django.db import Error, connections, models
from django.db.migrations.executor import MigrationExecutor

from cdc.conf import CdcSettings
from cdc.doctor.check import Check, ok, or_ok, warning, wrong
from cdc.doctor.settings import django_checks
from cdc.doctor.variables import NAMES, judge
from cdc.errors import Retryable
from cdc.models import OperatorAction
from cdc.outbox.other_databases import OtherDatabases
from cdc.registry import registry
from cdc.runtime.database import explain, is_denied, retryable_errors

_NEVER_CHANGED = {OperatorAction}
"""Append-only tables, on which the rights to update and delete can be revoked."""
_FULL = 2
"""SQLite's number for `PRAGMA synchronous=FULL`."""


def check_database(settings: CdcSettings, using: str) -> Iterator[Check]:
    """Yield the checks of a database; raise Retryable if it is unreachable."""
    try:
        with retryable_errors(using):
            connections[using].ensure_connection()
            vendor = connections[using].vendor
            yield ok("database.reachable", f"The database ({vendor}) responds")
            yield from _server(settings, using)
            yield from django_checks("database", tags=[Tags.database], databases=[using])
            yield from _migrations(using)
            yield from or_ok(_rights(using), "database.rights", "The user has the required rights")
            yield from _other_outboxes()
    except Retryable as error:
        if not is_denied(error.__cause__):
            raise
        problem = explain(error.__cause__, using)
        yield wrong("database.login", problem.sentence, problem.remedy, stops=True)


def clock_offset(using: str) -> float:
    """Return how many seconds the database's clock is ahead of this machine's."""
    if connections[using].vendor != "mysql":
        return 0.0
    with retryable_errors(using):
        before = time.time()
        ((found,),) = _rows(using, "SELECT UTC_TIMESTAMP(6)")
        asked = (before + time.time()) / 2
    at = found if isinstance(found, datetime) else datetime.fromisoformat(str(found))
    return at.replace(tzinfo=UTC).timestamp() - asked


def _server(settings: CdcSettings, using: str) -> Iterator[Check]:
    if connections[using].vendor == "sqlite":
        yield from or_ok(_sqlite(using), "database.durability", "Each commit is flushed to disk")
        return
    marks = ", ".join(["%s"] * len(NAMES))
    query = f"SHOW SESSION VARIABLES WHERE Variable_name IN ({marks})"
    yield from judge(
        {str(name): str(value) for name, value in _rows(using, query, NAMES)}, settings
    )
    yield from or_ok(_zone(using), "database.time_zone", "The sessions use UTC")
    yield from or_ok(_engines(using), "database.engine", "All tables support transactions")
    yield from or_ok(_charsets(using), "database.charset", "All tables use utf8mb4")
    yield from _encryption(using)


def _encryption(using: str) -> Iterator[Check]:
    """Check that the connection is encrypted if DATABASE_URL asks for TLS.

    The client of MariaDB ignores `ssl_mode=REQUIRED` if the server does not offer TLS.
    """
    options = connections[using].settings_dict["OPTIONS"]
    asked = options.get("ssl") or options.get("ssl_mode", "") not in {"", "DISABLED", "PREFERRED"}
    ((_, cipher),) = _rows(using, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    if asked and not cipher:
        yield wrong(
            "database.encryption",
            "The connection to the database is not encrypted, although DATABASE_URL asks for TLS",
            "configure the server's certificate, and set ssl-ca in DATABASE_URL",
            stops=True,
        )


def _sqlite(using: str) -> Iterator[Check]:
    ((journal,),) = _rows(using, "PRAGMA journal_mode")
    ((synchronous,),) = _rows(using, "PRAGMA synchronous")
    if synchronous < _FULL:
        yield warning(
            "database.durability",
            f"SQLite's synchronous is {synchronous}, so a power failure can undo commits whose "
            "changes Kafka already has",
            "set PRAGMA synchronous=FULL",
        )
    if journal != "wal":
        yield warning(
            "database.journal",
            f"SQLite's journal_mode is {journal!r}, so readers and writers block each other",
            "store the file on a local disk and set PRAGMA journal_mode=WAL",
        )


def _zone(using: str) -> Iterator[Check]:
    ((zone, offset),) = _rows(
        using, "SELECT @@SESSION.time_zone, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())"
    )
    if offset:
        yield wrong(
            "database.time_zone",
            f"The time zone of a session is {zone!r}, not UTC",
            "find the settings that change it, in DATABASE_URL or in the server's init_connect, "
            "and remove them",
            stops=True,
        )


def _engines(using: str) -> Iterator[Check]:
    query = (
        "SELECT table_name, engine FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'"
    )
    for table, engine in _of_models(using, query):
        yield wrong(
            "database.engine",
            f"The table {table} has the engine {engine}, which does not support transactions",
            f"run ALTER TABLE {table} ENGINE=InnoDB",
            stops=True,
        )


def _charsets(using: str) -> Iterator[Check]:
    ((default,),) = _rows(
        using,
        "SELECT default_character_set_name FROM information_schema.schemata "
        "WHERE schema_name = DATABASE()",
    )
    if default != "utf8mb4":
        yield warning(
            "database.charset",
            f"The default character set of the database is {default}, not utf8mb4",
            "run ALTER DATABASE CHARACTER SET utf8mb4 before the next migration",
        )
    query = (
        "SELECT DISTINCT table_name, character_set_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND character_set_name <> 'utf8mb4'"
    )
    for table, charset in _of_models(using, query):
        yield wrong(
            "database.charset",
            f"The table {table} uses {charset}, which cannot store some characters, such as emoji",
            f"run ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4",
        )


def _migrations(using: str) -> Iterator[Check]:
    executor = MigrationExecutor(connections[using])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield wrong(
            "database.migrations",
            f"The database has {len(missing)} unapplied migration{'s' * (len(missing) != 1)}",
            "run `manage.py migrate`",
        )
    else:
        yield ok("database.migrations", "All migrations are applied")


def _other_outboxes() -> Iterator[Check]:
    for other in OtherDatabases().outboxes():
        yield wrong(
            "database.other_outbox",
            f"Changes wait in the outbox of the database {other.database!r} (number: "
            f"{other.rows}, oldest: {other.seconds:.0f} s), and relays of the default database do "
            "not read this outbox",
            f"start a relay with the DATABASE_URL of the database {other.database!r}",
        )


def _rights(using: str) -> Iterator[Check]:
    existing = set(connections[using].introspection.table_names())
    lacking = {
        model: right
        for model in _models()
        if model._meta.db_table in existing and (right := _lacking(model, using))
    }
    if lacking:
        named = [f"{right} on {model._meta.db_table}" for model, right in lacking.items()]
        others = f" (missing privileges: {len(named)})" if len(named) > 1 else ""
        yield wrong(
            "database.rights",
            f"The database user does not have the privilege {named[0]}{others}",
            f"grant SELECT, INSERT, UPDATE and DELETE on all tables of {_name(using)}",
            stops=any(model._meta.app_label == "cdc" for model in lacking),
        )


def _lacking(model: type[models.Model], using: str) -> str:
    """Return a missing right, or an empty string.

    The statements match no row, but the server checks the rights anyway.
    """
    quote = connections[using].ops.quote_name
    table = quote(model._meta.db_table)
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    names = [quote(str(field.column)) for field in fields]
    columns, last = ", ".join(names), names[-1]
    statements = {
        "SELECT": f"SELECT {columns} FROM {table} WHERE 1 = 0",  # noqa: S608 -- names of models
        "INSERT": f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE 1 = 0",  # noqa: S608
        "UPDATE": f"UPDATE {table} SET {last} = {last} WHERE 1 = 0",  # noqa: S608
        "DELETE": f"DELETE FROM {table} WHERE 1 = 0",  # noqa: S608
    }
    for right, statement in statements.items():
        if model in _NEVER_CHANGED and right in {"UPDATE", "DELETE"}:
            continue
        try:
            _rows(using, statement)
        except Error as error:
            if is_denied(error) or "readonly" in str(error):
                return right
            raise
    return ""


def _models() -> list[type[models.Model]]:
    """Return the models that the daemons and the captured writes use."""
    ours = apps.get_app_config("cdc").get_models()
    found = dict.fromkeys((*ours, *(capture.model for capture in registry.all())))
    return [model for model in found if model._meta.managed]


def _of_models(using: str, query: str) -> list[tuple[Any, ...]]:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return [row for row in _rows(using, query) if row[0] in tables]


def _rows(using: str, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def _name(using: str) -> str:
    return str(connections[using].settings_dict["NAME"])
