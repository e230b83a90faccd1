"""Samples the processes of a cast, and the connections that the servers count."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

import psutil
from django.db import Error, connection
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from project.stack.service import Service
from tests.faults.endurance.series import CONNECTIONS, DESCRIPTORS, MEMORY, THREADS, Samples
from tests.faults.schedule.cast import Cast
from tests.faults.schedule.servers import DATABASE, KAFKA, MONGODB, Servers

EVERY_SECONDS = 10.0
_MEGABYTE = 1e6


class Sampler:
    """Takes a sample every ten seconds, in a thread."""

    def __init__(self, cast: Cast, servers: Servers) -> None:
        self.samples = Samples()
        self._cast, self._servers = cast, servers
        self._clients = [_client(server.service) for server in servers.of(MONGODB)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        for client in self._clients:
            client.close()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            now = time.monotonic()
            for name, member in self._cast.processes.items():
                # The process may have been killed.
                with suppress(psutil.Error):
                    for figure, value in figures_of(member.daemon.pid):
                        self.samples.add(now, name, member.daemon.pid, figure, value)
            for name, count in self._counted():
                self.samples.add(now, name, 0, CONNECTIONS, count)
        connection.close()

    def _counted(self) -> Iterator[tuple[str, int]]:
        """Yield the number of connections to each kind of server, unless one does not respond."""
        with suppress(Error):
            yield DATABASE, _sql_connections()
        with suppress(PyMongoError):
            yield MONGODB, sum(len(mongodb_connections(client)) for client in self._clients)
        with suppress(psutil.Error):
            yield KAFKA, sum(_accepted(server.service) for server in self._servers.of(KAFKA))


def figures_of(pid: int) -> list[tuple[str, float]]:
    """Return all figures of a process; raise psutil.Error if the process has ended."""
    process = psutil.Process(pid)
    with process.oneshot():
        return [
            (MEMORY, process.memory_info().rss / _MEGABYTE),
            (DESCRIPTORS, process.num_fds()),
            (CONNECTIONS, len(process.net_connections("tcp"))),
            (THREADS, process.num_threads()),
        ]


def _client(service: Service) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        f"mongodb://{service.address}/",
        directConnection=True,
        serverSelectionTimeoutMS=1000,
        socketTimeoutMS=1000,
    )


def mongodb_connections(client: MongoClient[dict[str, Any]]) -> set[int]:
    """Return the ids of PyMongo's connections to a server.

    `serverStatus` would also count the connections between the members of the replica set, of which
    the members open more after each election.
    """
    every = {"$currentOp": {"allUsers": True, "idleConnections": True}}
    ours = {"$match": {"clientMetadata.driver.name": {"$regex": "^PyMongo"}}}
    found = client.admin.aggregate([every, ours, {"$group": {"_id": "$connectionId"}}])
    return {each["_id"] for each in found}


def _sql_connections() -> int:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
            return int(cursor.fetchone()[1])
    except Error:
        connection.close()
        raise


def _accepted(service: Service) -> int:
    """Return the number of connections to the port of a server."""
    process = psutil.Process(service.pid or 0)
    return sum(
        each.laddr.port == service.port and each.status == psutil.CONN_ESTABLISHED
        for each in process.net_connections("tcp")
    )
