"""MySQL, Kafka and MongoDB on this machine, as the servers that the units' machine uses."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import MySQLdb
from pymongo import MongoClient

from project.stack.kafka.broker import Kafka
from project.stack.mongod import Mongod
from project.stack.ports import free_port
from project.stack.service import Service
from project.stack.sql.mysql import MySQL
from project.up.console import Console
from tests.production.project import ANY_CHARACTER
from tests.production.site import COLLECTIONS
from tests.support.servers import running

PASSWORD = ANY_CHARACTER


class Servers:
    """The three servers."""

    def __init__(self, mysql: MySQL, kafka: Kafka, mongod: Mongod) -> None:
        self._mysql, self.kafka, self._mongod = mysql, kafka, mongod
        self.all: list[Service] = [mysql, kafka, mongod]

    def settings(self) -> dict[str, str]:
        """Return the settings that lead to the servers."""
        return {
            "DATABASE_URL": f"mysql://site@127.0.0.1:{self._mysql.port}/storyfeed",
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_REPLICATION_FACTOR": "1",
            "MONGODB_URI": self._mongod.uri,
        }

    def create_user(self) -> None:
        """Create the database, and a user whose password has all kinds of characters."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE storyfeed CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER site@'%%' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON storyfeed.* TO site@'%'")

    def titles(self, marker: str) -> list[list[str]]:
        """Return the titles that start with `marker`, in each collection."""
        with MongoClient[dict[str, str]](self._mongod.uri) as client:
            found = [client["storyfeed"][name].find() for name in COLLECTIONS]
            lists = [[each["title"] for each in documents] for documents in found]
        return [[title for title in each if title.startswith(marker)] for each in lists]

    @contextmanager
    def suspended(self, *servers: Service) -> Iterator[None]:
        """Suspend servers: their connections stay open, but they do not respond."""
        pids = [pid for each in servers if (pid := each.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _connect(self) -> "MySQLdb.Connection":
        return MySQLdb.connect(
            host="127.0.0.1",
            port=self._mysql.port,
            user="storyfeed",
            password=self._mysql.password,
            charset="utf8mb4",
        )


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    ports = [free_port()]
    while len(ports) < 4:
        ports.append(free_port(ports))
    started = Servers(
        MySQL(folder / "mysql", ports[0]),
        Kafka(folder / "kafka", ports[1], ports[2]),
        Mongod(folder / "mongod", ports[3]),
    )
    with running(started.all, Console()):
        started.create_user()
        yield started
