"""The embedded profile's own Kafka and mongod."""

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from project.config.envfile import read_env_file, write_env_file
from project.stack.child import Child
from project.stack.kafka.broker import Kafka
from project.stack.kafka.training import train
from project.stack.mongod import Mongod
from project.stack.ports import free_port, remembered_or_free
from project.stack.service import Service
from project.up.home_folder import HomeFolder

KEY, KAFKA, MONGODB = "DJANGO_SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"
_KEY_BYTES = 50


class EmbeddedServers:
    """The servers that the environment does not provide.

    The env file stores their addresses, and the secret key.
    """

    def __init__(self, home: HomeFolder, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._remembered = read_env_file(home.env_file)
        self._ports: set[int] = set()
        self.mongod = self._mongod()
        self.kafka = self._kafka()
        self._remember()

    @property
    def services(self) -> list[Service]:
        """The servers to start, the slowest one first."""
        return [server for server in (self.kafka, self.mongod) if server]

    def install(self) -> None:
        """Download the missing files. This is slow only at the first run on a machine."""
        for server in self.services:
            server.install()

    def write_class_cache(self) -> None:
        """Unless it exists, write the cache that makes later starts of Kafka faster."""
        if self.kafka:
            train()

    def _mongod(self) -> Mongod | None:
        if _is_given(MONGODB, self._environment):
            return None
        mongod = Mongod(self._home.path / "mongod", 0)
        mongod.port = self._port(mongod, MONGODB)
        return mongod

    def _kafka(self) -> Kafka | None:
        if _is_given(KAFKA, self._environment):
            return None
        kafka = Kafka(self._home.path / "kafka", 0, 0)
        kafka.port = self._port(kafka, KAFKA)
        kafka.controller_port = free_port(self._ports)
        return kafka

    def _port(self, service: Service, name: str) -> int:
        service.child = Child(service.name, self._home.logs)
        # A killed run may have left the server running, on the remembered port.
        service.end_leftover()
        port = remembered_or_free(_port_in(self._remembered.get(name, "")), self._ports)
        self._ports.add(port)
        return port

    def _remember(self) -> None:
        chosen = dict(self._remembered)
        if not _is_given(KEY, self._environment):
            chosen.setdefault(KEY, secrets.token_urlsafe(_KEY_BYTES))
        if self.kafka:
            chosen[KAFKA] = self.kafka.bootstrap_servers
        if self.mongod:
            chosen[MONGODB] = self.mongod.uri
        if chosen != self._remembered:
            write_env_file(self._home.env_file, chosen)


def _is_given(name: str, environment: Mapping[str, str]) -> bool:
    """Return whether the environment sets the variable, directly or by `NAME_FILE`."""
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


def _port_in(address: str) -> int | None:
    """Return the port of `host:port` or of a URL; None if there is no port."""
    try:
        return urlsplit(address if "://" in address else f"//{address}").port
    except ValueError:
        return None
