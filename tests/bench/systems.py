"""Sets up the systems that are measured. Import this module only after Django is set up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.db import connection
from pymongo import MongoClient

from project.stack.errors import StackError
from project.stack.ports import free_port
from project.up.console import Console
from tests.bench.databases import create, drop_expression_indexes
from tests.bench.machine import machine, versions
from tests.bench.ours import Ours
from tests.bench.peer import Endpoints, Peer
from tests.bench.system import System
from tests.bench.watcher import Watcher
from tests.bench.worker import Worker

TABLE = "stories_story"
PARTITIONS = 5
ONE, THREE, PEER, SHIPPED = "ours, 1", "ours, 3", "peer", "peer as shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The running servers that all systems share; their addresses are in `env`."""

    folder: Path
    env: dict[str, str]
    client: MongoClient[dict[str, Any]]
    console: Console
    pids: Sequence[int] = ()
    """The processes of MySQL, Kafka and mongod, if this process has started them."""

    @property
    def bootstrap_servers(self) -> str:
        return self.env["KAFKA_BOOTSTRAP_SERVERS"]

    def url(self, database: str) -> str:
        """Return the URL of a database on the MySQL server."""
        return f"{self.env['DATABASE_URL'].rpartition('/')[0]}/{database}"

    def watcher(self, system: System) -> Watcher:
        """Return a watcher of the system's first collection."""
        return Watcher(self.env["MONGODB_URI"], system.database, TABLE)

    def about(self, *, peer: bool) -> list[str]:
        """Return the machine and the versions, one sentence each."""
        mongodb = str(self.client.server_info()["version"])
        # The database in the settings need not exist.
        with connection._nodb_cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            (mysql,) = cursor.fetchone()
        return [f"Machine: {machine()}.", f"Versions: {versions(mysql, mongodb, peer=peer)}."]


def ours(
    servers: Servers, title: str, database: str, collections: Sequence[str] = (), consumers: int = 1
) -> Ours:
    """Create the database, and return our system; by default, it has the default collections."""
    create(database)
    env = {
        **servers.env,
        "DATABASE_URL": servers.url(database),
        "KAFKA_TOPIC": database,
        "CONSUMER_GROUP": database,
        "MONGODB_DATABASE": database,
    }
    if collections:
        env["REPLICA_COLLECTIONS"] = ",".join(collections)
    replica = servers.client[database][TABLE]
    return Ours(title, database, replica, servers.folder, env, consumers=consumers)


def forget(servers: Servers, system: System) -> None:
    """Drop the databases of a system that is not measured again."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {system.database}")
    connection.close()
    servers.client.drop_database(system.database)


def peer_worker(servers: Servers) -> Worker | None:
    """Return the peer's worker, or None if its jars cannot be downloaded; the console shows why."""
    worker = Worker(servers.folder / "connect", free_port(), servers.bootstrap_servers)
    try:
        worker.install()
    except StackError as error:
        servers.console.say(f"skipping the peer: {error}")
        return None
    return worker


def peers(servers: Servers, worker: Worker) -> list[System]:
    """Start the worker, and return the tuned peer and the peer as shipped."""
    database = "bench_peer"
    create(database)
    drop_expression_indexes(TABLE)
    endpoints = _endpoints(servers)
    replica = servers.client[database][TABLE]
    tuned = Peer(PEER, database, replica, worker, endpoints, tuned=True)
    shipped = Peer(SHIPPED, database, replica, worker, endpoints, tuned=False)
    # Create the topic first, because a sink notices a new topic only after minutes.
    _create_topic(servers, tuned.topic)
    worker.connectors = tuned.connectors
    worker.start()
    with tuned.selected():
        # The peer's snapshot of the empty table must be complete before its first stop.
        tuned.catch_up()
        tuned.clear()
    tuned.stop()
    servers.console.say(f"Kafka Connect listens on {worker.address}")
    return [tuned, shipped]


def _create_topic(servers: Servers, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers.bootstrap_servers})
    new = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)
    admin.create_topics([new])[topic].result(30)


def _endpoints(servers: Servers) -> Endpoints:
    mysql = urlsplit(servers.env["DATABASE_URL"])
    return Endpoints(
        mysql_host=mysql.hostname or "",
        mysql_port=mysql.port or 0,
        mysql_user=mysql.username or "",
        mysql_password=mysql.password or "",
        bootstrap_servers=servers.bootstrap_servers,
        mongodb_uri=servers.env["MONGODB_URI"],
    )
