"""A database server and its asynchronous replica, behind one address."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import MySQLdb

from project.stack.ports import LOOPBACK, free_port
from project.stack.sql.server import USER, SqlServer
from tests.support.databases import DATABASES
from tests.support.proxy import Proxy

_BINARY_LOG = ("--log-bin=binlog", "--binlog-format=ROW")
# For each kind of server: the position in the binary log, the connection to the source, and the
# statements that start, cut and end the replication.
_STATEMENTS = {
    "mysql": (
        "SHOW BINARY LOG STATUS",
        (
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST=%s, SOURCE_PORT=%s, SOURCE_USER=%s, "
            "SOURCE_PASSWORD=%s, SOURCE_LOG_FILE=%s, SOURCE_LOG_POS=%s, GET_SOURCE_PUBLIC_KEY=1"
        ),
        "START REPLICA",
        "STOP REPLICA IO_THREAD",
        ("STOP REPLICA", "RESET REPLICA ALL"),
    ),
    "mariadb": (
        "SHOW MASTER STATUS",
        (
            "CHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%s, MASTER_USER=%s, MASTER_PASSWORD=%s, "
            "MASTER_LOG_FILE=%s, MASTER_LOG_POS=%s"
        ),
        "START SLAVE",
        "STOP SLAVE IO_THREAD",
        ("STOP SLAVE", "RESET SLAVE ALL"),
    ),
}


class Pair:
    """A primary and a replica. The proxy connects clients to the current primary."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._position, self._source, self._begin, self._cut, self._end = _STATEMENTS[kind]
        self.primary = _server(kind, folder / "primary", 1)
        self._replica = _server(kind, folder / "replica", 2)
        self.proxy = Proxy(free_port(), self.primary.port)

    @property
    def url(self) -> str:
        """The URL of the current primary, without the name of a database."""
        return (
            self.primary.url("").rstrip("/").replace(str(self.primary.port), str(self.proxy.port))
        )

    def replicate(self) -> None:
        """Create the replica from a copy of the primary. No client may write in the meantime."""
        self.primary.stop(60)
        shutil.copytree(self.primary.folder, self._replica.folder)
        for name in ("auto.cnf", "mysqld.sock", "mysqld.sock.lock"):
            (self._replica.folder / "data" / name).unlink(missing_ok=True)
        self.primary.start()
        self._replica.start()
        (file, position, *_) = _run(self.primary, self._position)
        address = (LOOPBACK, self.primary.port, USER, self.primary.password)
        _run(self._replica, self._source, *address, file, position)
        _run(self._replica, self._begin)

    def cut(self) -> None:
        """Cut the replica off from further commits."""
        _run(self._replica, self._cut)

    def fail_over(self) -> None:
        """Kill the primary, and make the replica the primary."""
        self.primary.kill()
        for statement in self._end:
            _run(self._replica, statement)
        self.proxy.target = self._replica.port
        self.proxy.reset()


@contextmanager
def replicated(kind: str, folder: Path) -> Iterator[Pair]:
    """Start the primary. The caller starts the replication."""
    pair = Pair(kind, folder)
    with ExitStack() as stack:
        stack.enter_context(pair.proxy)
        pair.primary.install()
        for server in (pair.primary, pair._replica):
            stack.callback(server.kill)
        pair.primary.start()
        yield pair


def _server(kind: str, folder: Path, number: int) -> SqlServer:
    server = DATABASES[kind].server(folder)
    assert isinstance(server, SqlServer)
    server.durable = True  # With a binary log.
    command = server._server_command
    options = [f"--server-id={number}", *_BINARY_LOG]
    server._server_command = lambda: [*command(), *options]  # type: ignore[method-assign]
    return server


def _run(server: SqlServer, statement: str, *arguments: Any) -> tuple[Any, ...]:
    address: dict[str, Any] = {"host": LOOPBACK, "port": server.port, "user": USER}
    with closing(MySQLdb.connect(**address, password=server.password)) as found:
        cursor = found.cursor()
        cursor.execute(statement, arguments or None)
        return tuple(cursor.fetchone() or ())
