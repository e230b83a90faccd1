"""The common behaviour of MySQL and MariaDB, with real servers."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from project.stack.errors import StackError
from project.stack.ports import free_port
from project.stack.sql.mariadb import MariaDB
from project.stack.sql.mysql import MySQL
from project.stack.sql.server import SqlServer

pytestmark = pytest.mark.services

VERSIONS = {MySQL: "9.", MariaDB: "MariaDB"}


@pytest.fixture(scope="module", params=[MySQL, MariaDB])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlServer]:
    server: SqlServer = request.param(tmp_path_factory.mktemp("sql"), free_port(), durable=False)
    server.install()
    server.start()
    yield server
    server.kill()


def query(server: SqlServer, sql: str) -> list[tuple[Any, ...]]:
    """Execute a statement as the user `storyfeed`, commit, and return the rows."""
    connection = MySQLdb.connect(
        host="127.0.0.1", port=server.port, user="storyfeed", password=server.password
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(sql)
        rows = list(cursor.fetchall())
        connection.commit()
        return rows


def test_it_reports_its_version(server: SqlServer) -> None:
    expected = VERSIONS[type(server)]
    assert expected in query(server, "SELECT VERSION()")[0][0]
    assert expected in server.version()


def test_the_user_may_create_databases(server: SqlServer) -> None:
    query(server, "CREATE DATABASE test_anything")
    query(server, "CREATE TABLE test_anything.things (id INT)")
    query(server, "DROP DATABASE test_anything")


def test_its_url_names_the_user_and_the_port(server: SqlServer) -> None:
    assert server.url("shop") == (
        f"mysql://storyfeed:{server.password}@127.0.0.1:{server.port}/shop"
    )
    assert len(server.password) >= 20


def test_only_its_owner_can_read_the_password(server: SqlServer) -> None:
    for name in ("password", "init.sql"):
        assert (server.folder / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("end", [SqlServer.stop, SqlServer.kill])
def test_data_survive_an_end_and_a_change_of_port(
    server: SqlServer, end: Callable[[SqlServer], None]
) -> None:
    query(server, "CREATE DATABASE IF NOT EXISTS kept")
    query(server, "CREATE TABLE IF NOT EXISTS kept.things (id INT)")
    query(server, "INSERT INTO kept.things VALUES (1)")
    before = query(server, "SELECT COUNT(*) FROM kept.things")
    end(server)
    assert not server.alive
    server.port = free_port({server.port})
    server.start()
    assert query(server, "SELECT COUNT(*) FROM kept.things") == before


def test_a_durable_server_runs_beside_a_fast_one(server: SqlServer, tmp_path: Path) -> None:
    other = type(server)(tmp_path / "other", free_port())
    other.start()
    try:
        query(other, "CREATE DATABASE only_here")
        assert ("only_here",) not in query(server, "SHOW DATABASES")
        assert query(other, "SELECT @@innodb_flush_log_at_trx_commit") == [(1,)]
        assert query(server, "SELECT @@innodb_flush_log_at_trx_commit") == [(2,)]
    finally:
        other.kill()
    assert server.alive


def test_it_listens_on_loopback_only(server: SqlServer) -> None:
    assert query(server, "SELECT @@bind_address") == [("127.0.0.1",)]


def test_an_invalid_data_folder_is_reported(server: SqlServer, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    broken = type(server)(tmp_path, free_port())
    with pytest.raises(StackError, match=rf"{server.name} exited with code .*\[ERROR\]"):
        broken.start()


def test_mysql_uses_its_default_authentication(server: SqlServer) -> None:
    plugin = query(server, "SELECT plugin FROM mysql.user WHERE user = 'storyfeed'")
    assert plugin == [("caching_sha2_password",)] or not isinstance(server, MySQL)
