"""The servers of a schedule: one database, and one or three brokers and members."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from project.stack.ports import free_port
from project.stack.service import Service
from tests.faults.schedule.kafka import Broker, Node
from tests.faults.schedule.mongodb import Member
from tests.support.databases import DATABASES
from tests.support.proxy import Proxy

KAFKA, MONGODB, DATABASE = "kafka", "mongod", "database"


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the proxy through which its clients and its peers connect."""

    name: str
    service: Service
    proxy: Proxy

    @property
    def has_proxy(self) -> bool:
        return self.proxy.port != self.proxy.target

    def kill(self, seconds: float) -> None:
        """Kill the process, and start it again after `seconds`."""
        self.service.kill()
        time.sleep(seconds)
        self.service.start()

    def suspend(self, seconds: float) -> None:
        pid = self.service.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


class Servers:
    """All servers of a schedule, which no other test uses.

    `kind` is the database, such as `mysql`. `plain` servers have no proxies, and the timeouts of
    the clusters are the defaults.
    """

    def __init__(
        self, folder: Path, kind: str, *, cluster: bool, seed: int, plain: bool = False
    ) -> None:
        def front(port: int) -> int:
            return port if plain else free_port()

        numbers = range(1, 4 if cluster else 2)
        self.replicas = len(numbers)
        ports = {number: free_port() for number in numbers}
        nodes = [Node(n, ports[n], free_port(), front(ports[n])) for n in numbers]
        brokers = [Broker(folder, node, nodes, seed, quick=not plain) for node in nodes]
        ports = {number: free_port() for number in numbers}
        hosts = {number: front(ports[number]) for number in numbers}
        members = [Member(folder, n, ports[n], hosts, quick=not plain) for n in numbers]
        self.bootstrap_servers, self.mongodb_uri = brokers[0].bootstrap_servers, members[0].uri
        self._kind, self._folder = kind, folder
        database = DATABASES[kind].server(folder)
        assert database is not None
        self._database, self._database_port = database, front(database.port)
        self.members = members
        self.all = [
            *(
                _behind(f"{KAFKA}-{node.number}", broker, node.advertised)
                for node, broker in zip(nodes, brokers, strict=True)
            ),
            *(
                _behind(f"{MONGODB}-{number}", member, hosts[number])
                for number, member in zip(numbers, members, strict=True)
            ),
            _behind(DATABASE, database, self._database_port),
        ]

    @property
    def server_url(self) -> str:
        """The address of the database server itself."""
        url = DATABASES[self._kind].url(self._database, self._folder, "")
        return url.rstrip("/")

    def through_proxy(self, url: str) -> str:
        """Return the URL of a database with the port of the proxy."""
        return url.replace(f":{self._database.port}/", f":{self._database_port}/")

    def start(self, stack: ExitStack) -> None:
        for server in self.all:
            if server.has_proxy:
                stack.enter_context(server.proxy)
            server.service.install()
            stack.callback(server.service.kill)
            server.service.launch()
        for server in self.all:
            server.service.wait_ready()

    def of(self, kind: str) -> list[Server]:
        """Return the servers of a kind, such as `kafka`."""
        return [server for server in self.all if server.name.startswith(kind)]

    def named(self, name: str) -> Server:
        """Return the server `name`. The name `mongod-primary` is the current primary."""
        if name == f"{MONGODB}-primary":
            pairs = zip(self.of(MONGODB), self.members, strict=True)
            return next(
                (server for server, member in pairs if member.is_primary()), self.of(MONGODB)[0]
            )
        return next(server for server in self.all if server.name == name)


def _behind(name: str, service: Service, port: int) -> Server:
    return Server(name, service, Proxy(port, service.port))
