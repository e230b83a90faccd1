"""The examination of a database, on each database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from cdc.doctor.check import Check, Level, refuse
from cdc.doctor.database import check_database, clock_offset
from cdc.errors import Misconfigured, Retryable
from cdc.models import OperatorAction, OutboxRecord
from cdc.runtime.database import retryable_errors

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
on_mysql = pytest.mark.row_locks
USING = "default"
LOG = OperatorAction._meta.db_table


def checks() -> list[Check]:
    return list(check_database(settings.CDC, USING))


def problems() -> dict[str, Check]:
    # The test servers do not flush each commit to disk.
    found = {check.id: check for check in checks() if check.level is not Level.OK}
    found.pop("database.durability", None)
    return found


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def session(statement: str) -> Iterator[None]:
    """Run a statement for this session only."""
    run(statement)
    try:
        yield
    finally:
        connection.close()


@contextmanager
def changed(table: str, before: str, after: str) -> Iterator[None]:
    run(f"ALTER TABLE {table} {before}")
    try:
        yield
    finally:
        run(f"ALTER TABLE {table} {after}")


def refused(found: dict[str, Check], *parts: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        refuse(found.values())
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_migrated_database_passes() -> None:
    assert problems() == {}
    assert {"database.reachable", "database.migrations", "database.rights"} <= {
        check.id for check in checks()
    }


def test_the_server_s_clock_is_this_machine_s() -> None:
    before = time.monotonic()
    offset = clock_offset(USING)
    assert abs(offset) <= 1 + time.monotonic() - before


@on_mysql
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED"])
def test_another_isolation_level_is_refused(level: str) -> None:
    with session(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}"):
        found = problems()
    assert set(found) == {"database.isolation"}
    refused(found, level.replace(" ", "-"), "not READ-COMMITTED")


@on_mysql
def test_the_isolation_level_is_asked_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a level in the settings, Django leaves the server's default."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "isolation_level", None)
    connection.close()
    try:
        found = problems()
    finally:
        monkeypatch.undo()
        connection.close()
    refused(found, "REPEATABLE-READ", "not READ-COMMITTED")


@on_mysql
@pytest.mark.parametrize("mode", ["", "ANSI_QUOTES", "NO_ENGINE_SUBSTITUTION"])
def test_a_mode_that_changes_values_is_refused(mode: str) -> None:
    if mode == "ANSI_QUOTES":
        mode = "NO_AUTO_VALUE_ON_ZERO"
    with session(f"SET SESSION sql_mode='{mode}'"):
        found = problems()
    assert set(found) == {"database.sql_mode"}
    refused(found, repr(mode), "values that do not fit are changed")


@on_mysql
@pytest.mark.parametrize("zone", ["+02:00", "-05:30"])
def test_another_time_zone_is_refused(zone: str) -> None:
    with session(f"SET SESSION time_zone='{zone}'"):
        found = problems()
    assert set(found) == {"database.time_zone"}
    refused(found, zone, "not UTC")


@on_mysql
@pytest.mark.parametrize("charset", ["latin1", "utf8mb3"])
def test_a_connection_without_every_character_is_refused(charset: str) -> None:
    with session(f"SET NAMES {charset}"):
        found = problems()
    assert set(found) == {"database.connection_charset"}
    refused(found, "not utf8mb4")


@on_mysql
def test_a_step_between_ids_is_a_warning() -> None:
    with session("SET SESSION auto_increment_increment=3"):
        found = problems()
    assert [(check.id, check.level) for check in found.values()] == [
        ("database.one_writer", Level.WARNING)
    ]
    assert "auto_increment_increment is 3" in found["database.one_writer"].text


@on_mysql
@pytest.mark.parametrize("charset", ["latin1", "utf8mb3", "ascii"])
def test_a_table_without_every_character_is_wrong(charset: str) -> None:
    table = OutboxRecord._meta.db_table
    to = "CONVERT TO CHARACTER SET {}"
    with changed(table, to.format(charset), to.format("utf8mb4")):
        found = problems()
    assert set(found) == {"database.charset"}
    assert found["database.charset"].level is Level.WRONG
    assert f"The table {table} uses {charset}" in found["database.charset"].text


@on_mysql
def test_a_default_without_every_character_is_a_warning() -> None:
    run("ALTER DATABASE CHARACTER SET latin1")
    try:
        found = problems()
    finally:
        run("ALTER DATABASE CHARACTER SET utf8mb4")
    assert found["database.charset"].level is Level.WARNING


@on_mysql
def test_a_table_without_transactions_is_refused() -> None:
    table = OutboxRecord._meta.db_table
    with changed(table, "ENGINE=MyISAM", "ENGINE=InnoDB"):
        found = problems()
    refused(found, table, "MyISAM", "support transactions")


@on_mysql
@pytest.mark.parametrize("missing", ["INSERT", "UPDATE", "DELETE"])
def test_a_missing_right_is_refused(missing: str) -> None:
    rights = ", ".join({"SELECT", "INSERT", "UPDATE", "DELETE"} - {missing})
    name = connection.settings_dict["NAME"]
    with user("limited", f"GRANT {rights} ON `{name}`.* TO 'limited'@'%'"):
        found = problems()
    refused(
        found, f"the privilege {missing} on cdc_epoch", "grant SELECT, INSERT, UPDATE and DELETE"
    )


@on_mysql
def test_the_four_rights_suffice() -> None:
    name = connection.settings_dict["NAME"]
    grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{name}`.* TO 'limited'@'%'"
    with user("limited", grant):
        assert problems() == {}


@on_mysql
def test_the_operator_log_need_not_be_changeable() -> None:
    name = connection.settings_dict["NAME"]
    changed = [each for each in connection.introspection.table_names() if each != LOG]
    everywhere = f"GRANT SELECT, INSERT ON `{name}`.* TO 'limited'@'%'"
    grants = [f"GRANT UPDATE, DELETE ON `{name}`.{each} TO 'limited'@'%'" for each in changed]
    with user("limited", everywhere, *grants):
        assert problems() == {}


@on_mysql
def test_a_refused_login_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "wrong")
    connection.close()
    try:
        found = problems()
    finally:
        monkeypatch.undo()
        connection.close()
    refused(found, "refuses the login", "correct the user and the password in DATABASE_URL")


@on_mysql
def test_an_unreachable_server_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    connection.close()
    try:
        with pytest.raises(Retryable):
            checks()
    finally:
        monkeypatch.undo()
        connection.close()


@contextmanager
def user(name: str, *grants: str) -> Iterator[None]:
    """Connect as a user that has only the granted rights."""
    run(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'password'", *grants)
    ours: dict[str, Any] = connections[USING].settings_dict
    before = (ours["USER"], ours["PASSWORD"])
    connection.close()
    ours["USER"], ours["PASSWORD"] = name, "password"
    try:
        yield
    finally:
        connection.close()
        ours["USER"], ours["PASSWORD"] = before
        run(f"DROP USER '{name}'@'%'")


def test_sqlite_that_may_lose_commits_is_a_warning() -> None:
    if connection.vendor != "sqlite":
        return
    with session("PRAGMA synchronous=OFF"):
        found = [check for check in checks() if check.id == "database.durability"]
    assert [check.level for check in found] == [Level.WARNING]
    with session("PRAGMA synchronous=FULL"):
        found = [check for check in checks() if check.id == "database.durability"]
    assert [check.level for check in found] == [Level.OK]


def test_a_table_that_only_reads_is_refused() -> None:
    if connection.vendor != "sqlite":
        return
    with session("PRAGMA query_only=ON"):
        found = problems()
    refused(found, "does not have the privilege INSERT")


def test_an_open_error_leaves_a_usable_connection() -> None:
    with retryable_errors(USING):
        assert problems() == {}
    assert OutboxRecord.objects.count() == 0
