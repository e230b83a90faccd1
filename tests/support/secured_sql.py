"""MySQL and MariaDB servers that require TLS, and one whose certificate has expired."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import MySQLdb

from project.stack.ports import free_port
from project.stack.sql.mariadb import MariaDB
from project.stack.sql.mysql import MySQL
from project.stack.sql.server import USER, SqlServer
from tests.support.tls import MISNAMED, certificate

DATABASE = "feed"
_LARGEST = 65_536
_TLS_REQUEST = 36
"""The size of the packet with which a client asks for TLS."""
_CAPABILITIES, _OFFERS_TLS = 15, 0x08
"""The place of a bit in a server's greeting, counted from the end of the version."""


class _RequiresTls(SqlServer):
    def _command(self) -> list[str]:
        command = [each for each in super()._command() if not each.startswith("--bind-address")]
        return [
            *command,
            f"--bind-address=127.0.0.1,{MISNAMED}",
            f"--ssl-ca={certificate('authority')}",
            f"--ssl-cert={certificate('valid')}",
            f"--ssl-key={certificate('valid')}",
            "--require-secure-transport=ON",
        ]

    def _prepare(self) -> None:
        super()._prepare()
        with self._init_sql.open("a") as file:
            file.write(f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n")

    def answers(self) -> bool:
        options: dict[str, Any] = {"user": USER, "password": self.password, "ssl_mode": "REQUIRED"}
        try:
            with closing(MySQLdb.connect(host="127.0.0.1", port=self.port, **options)):
                return True
        except MySQLdb.Error:
            return False


class SecuredMySQL(_RequiresTls, MySQL):
    """A MySQL that refuses connections without TLS."""


class SecuredMariaDB(_RequiresTls, MariaDB):
    """A MariaDB that refuses connections without TLS."""


@contextmanager
def running(folder: Path, *, is_mariadb: bool) -> Iterator[SqlServer]:
    """Start a server that requires TLS, and stop it on exit."""
    kind = SecuredMariaDB if is_mariadb else SecuredMySQL
    server: SqlServer = kind(folder, free_port(), durable=False)
    server.install()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def expired_in_front_of(port: int) -> Iterator[int]:
    """Yield the port of a server with an expired certificate, which MySQL itself would not use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate("expired"))

    def serve(client: socket.socket, server: socket.socket) -> None:
        client.sendall(server.recv(_LARGEST))
        client.recv(_TLS_REQUEST)
        context.wrap_socket(client, server_side=True).close()

    with _in_front_of(port, serve) as own:
        yield own


@contextmanager
def attacker_in_front_of(port: int) -> Iterator[int]:
    """Yield the port of an attacker who removes the server's offer of TLS."""

    def serve(client: socket.socket, server: socket.socket) -> None:
        greeting = bytearray(server.recv(_LARGEST))
        version_end = greeting.index(b"\0", 5)
        greeting[version_end + _CAPABILITIES] &= ~_OFFERS_TLS & 0xFF
        client.sendall(greeting)
        threading.Thread(target=_copy, args=(server, client), daemon=True).start()
        _copy(client, server)

    with _in_front_of(port, serve) as own:
        yield own


@contextmanager
def _in_front_of(port: int, serve: Callable[[socket.socket, socket.socket], None]) -> Iterator[int]:
    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
                serve(client, server)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_LARGEST):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
