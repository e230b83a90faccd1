"""MySQL or MariaDB, Kafka and MongoDB with a login, whose passwords a test changes."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from project.stack.sql.server import SqlServer
from tests.faults.databases import server_kind
from tests.support.databases import DATABASES
from tests.support.kafka import SecuredKafka, scram_config
from tests.support.mongodb import LockedMongod
from tests.support.servers import launched

USER = "feed"
"""The user whose passwords are changed. The test itself logs in as other users."""
NAMES = ("database", "kafka", "mongodb")


class Servers:
    """The three servers, and the files with the passwords of the processes.

    `passwords` are the passwords on the servers. A file keeps the old one until `correct`.
    """

    def __init__(self, folder: Path) -> None:
        server = DATABASES[server_kind()].server(folder)
        assert isinstance(server, SqlServer)
        self.sql, self.folder = server, folder
        self.kafka = SecuredKafka(folder / "kafka")
        self.mongod = LockedMongod(folder / "mongod")
        self.passwords = {name: secrets.token_urlsafe(12) for name in NAMES}
        self.used = set(self.passwords.values())
        """All passwords that were ever valid."""

    @contextmanager
    def running(self) -> Iterator[None]:
        with launched([self.kafka, self.sql, self.mongod]):
            self.mongod.add_user("admin", "root")
            self.mongod.add_user(USER, "readWriteAnyDatabase", "dbAdminAnyDatabase")
            for name in ("kafka", "mongodb"):
                self._set_password(name)
            yield

    def create_sql_user(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {USER}@'127.0.0.1'")
            cursor.execute(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'")
        self._set_password("database")

    def environment(self, database: str) -> dict[str, str]:
        """Return the settings of a process, as docs/secured-connections.md describes them."""
        for name in NAMES:
            self.correct(name)
        return {
            "DATABASE_URL": f"mysql://{USER}@{self.sql.address}/{database}",
            "DATABASE_PASSWORD_FILE": str(self._file("database")),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.server("SECURE"),
            "KAFKA_CONFIG_FILE": str(self._file("kafka")),
            "MONGODB_URI": self.mongod.uri.replace("mongodb://", f"mongodb://{USER}@"),
            "MONGODB_PASSWORD_FILE": str(self._file("mongodb")),
        }

    def rotate(self, name: str) -> None:
        """Change a password on its server, and end the connections that used the old password."""
        self.passwords[name] = secrets.token_urlsafe(12)
        self.used.add(self.passwords[name])
        self._set_password(name)
        if name == "database":
            self._end_sql_connections()
        if name == "mongodb":
            self.mongod.stop()
            self.mongod.start()
        # Kafka refuses a connection with the old password within 2 s: `connections.max.reauth.ms`.

    def correct(self, name: str) -> None:
        """Write the password of the server to the file that the processes read."""
        password = self.passwords[name]
        text = json.dumps(scram_config(USER, password)) if name == "kafka" else password
        self._file(name).write_text(text)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.secret"

    def _set_password(self, name: str) -> None:
        password = self.passwords[name]
        if name == "kafka":
            self.kafka.set_password(USER, password)
        elif name == "mongodb":
            self.mongod.set_password(USER, password)
        else:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER USER {USER}@'127.0.0.1' IDENTIFIED BY '{password}'")

    def _end_sql_connections(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", [USER])
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")
