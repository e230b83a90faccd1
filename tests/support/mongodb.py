"""MongoDB servers that belong to one test, and a recorder of commands."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pymongo import MongoClient, monitoring
from pymongo.errors import OperationFailure

from cdc.conf import CdcSettings
from cdc.errors import Unreachable
from cdc.mongo.client import connect, server_state
from project.stack.mongod import ANSWER_MS, Client, Mongod
from project.stack.ports import free_port
from tests.support.commands import retried
from tests.support.tls import MISNAMED, certificate

T = TypeVar("T")
_UNAUTHORIZED = 13
_NOT_ASKED = ("found yet", "available for replica set name", "timed out")
"""Parts of the client's error texts if no server has answered in time."""


class OwnMongod(Mongod):
    """A mongod that no other test uses, so that a test may change its parameters."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port())


class Standalone(Mongod):
    """A mongod that belongs to no replica set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port())

    def _command(self) -> list[str]:
        command = super()._command()
        at = command.index("--replSet")
        return command[:at] + command[at + 2 :]

    def _join(self) -> None:
        """Join no replica set."""


class Secondary(Mongod):
    """A mongod that joins another mongod's replica set as a secondary."""

    def __init__(self, folder: Path, primary: Mongod) -> None:
        super().__init__(folder, free_port())
        self._primary = primary

    def _join(self) -> None:
        if self._is_member:
            return
        with self._primary._connect() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            member = {"_id": 1, "host": self.address, "priority": 0, "votes": 0}
            config["members"].append(member)
            config["version"] += 1
            client.admin.command("replSetReconfig", config)
        self._is_member = True

    def _is_primary(self) -> bool:
        with self._connect() as client:
            return bool(client.admin.command("hello").get("secondary"))


class LockedMongod(OwnMongod):
    """A mongod that requires a login. The user `admin` has all rights."""

    def _prepare(self) -> None:
        super()._prepare()
        self._key = self.folder / "key"
        if not self._key.exists():
            self._key.write_text("a" * 32)
            self._key.chmod(0o600)

    def _command(self) -> list[str]:
        return [*super()._command(), "--keyFile", str(self._key)]

    def _join(self) -> None:
        """Initiate the replica set, which a server without users allows on loopback."""
        if self._is_member:
            return
        with self._connect() as client:
            try:
                client.admin.command("replSetInitiate", self._first_config())
            except OperationFailure as error:
                # After a restart, the server has users and belongs to the replica set.
                if error.code != _UNAUTHORIZED:
                    raise
        self._is_member = True

    def add_user(self, name: str, *roles: Any) -> str:
        """Create a user with the password `password`, and return the URI of its login."""
        create = {"createUser": name, "pwd": "password", "roles": list(roles)}
        with MongoClient[dict[str, Any]](
            self.uri_of("admin") if name != "admin" else self.uri
        ) as client:
            client.admin.command(create)
        return self.uri_of(name)

    def uri_of(self, name: str, password: str = "password") -> str:  # noqa: S107 -- on loopback
        return self.uri.replace("mongodb://", f"mongodb://{name}:{password}@")

    def set_password(self, name: str, password: str) -> None:
        with MongoClient[dict[str, Any]](self.uri_of("admin")) as client:
            client.admin.command("updateUser", name, pwd=password)


class SecuredMongod(LockedMongod):
    """A mongod that requires TLS and a login; it also listens on an address without a name."""

    def _command(self) -> list[str]:
        command = super()._command()
        command[command.index("--bind_ip") + 1] = f"127.0.0.1,{MISNAMED}"
        return [
            *command,
            *("--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"),
            *("--tlsCertificateKeyFile", certificate("valid")),
            *("--tlsCAFile", certificate("authority")),
        ]

    @property
    def uri(self) -> str:
        return f"{super().uri}&{trusting('authority')}"

    def _connect(self) -> Client:
        return MongoClient(
            f"mongodb://{self.address}/?{trusting('authority')}",
            directConnection=True,
            serverSelectionTimeoutMS=ANSWER_MS,
        )


def trusting(authority: str) -> str:
    """Return the options of a URI with which a client trusts the authority."""
    return f"tls=true&tlsCAFile={quote(certificate(authority), safe='')}"


def connected(settings: CdcSettings) -> Client:
    """Return a client of the pipeline that has found its server.

    Its first command would wait for only a second until the server is found.
    """
    client = connect(settings)
    retried(lambda: server_state(client))
    return client


def answered(attempt: Callable[[], T], seconds: float = 60.0) -> T:
    """Return `attempt()`. Call it again as long as no server has answered a client in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except Unreachable as error:
            late = time.monotonic() > deadline
            if late or not any(part in str(error) for part in _NOT_ASKED):
                raise


@contextmanager
def running(server: Mongod) -> Iterator[Mongod]:
    """Start a mongod, and stop it on exit."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Commands(monitoring.CommandListener):
    """Records the commands of all clients that are created after it, while `recording` is true."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.recording = False
        monitoring.register(self)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.recording:
            self.sent.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""

    @contextmanager
    def record(self) -> Iterator[list[dict[str, Any]]]:
        """Yield a list to which the commands of the block are appended."""
        self.sent = []
        self.recording = True
        try:
            yield self.sent
        finally:
            self.recording = False


COMMANDS = Commands()


def set_parameter(client: MongoClient[dict[str, Any]], name: str, value: object) -> None:
    client.admin.command({"setParameter": 1, name: value})
