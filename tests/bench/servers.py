"""Starts MySQL, Kafka and mongod in a temporary folder."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import django

from project.stack.kafka.broker import Kafka
from project.stack.mongod import Mongod
from project.stack.ports import free_port
from project.stack.service import Service
from project.up.console import Console
from tests.support.environment import environment, use
from tests.support.servers import running


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The running servers. Django is set up to use them."""

    folder: Path
    env: dict[str, str]
    mysql: Service
    kafka: Kafka
    mongod: Mongod

    @property
    def pids(self) -> list[int]:
        """The process ids of the servers."""
        return [each.pid for each in (self.mysql, self.kafka, self.mongod) if each.pid]


@contextmanager
def started(console: Console, database: str, **more: str) -> Iterator[Started]:
    """Start the servers, and set up Django with `database` and with the variables `more`."""
    with (
        tempfile.TemporaryDirectory(prefix="storyfeed-bench-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        # The module needs mysqlclient, which `make run` does not install.
        mysql = import_module("project.stack.sql.mysql").MySQL(folder / "mysql", free_port())
        kafka = Kafka(folder / "kafka", port := free_port([mysql.port]), free_port([port]))
        taken = [mysql.port, kafka.port, kafka.controller_port]
        mongod = Mongod(folder / "mongod", free_port(taken))
        stack.enter_context(running([mysql, kafka, mongod], console))
        env = environment(
            folder,
            DATABASE_URL=mysql.url(database),
            DJANGO_SETTINGS_MODULE="project.settings",
            KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers,
            MONGODB_URI=mongod.uri,
            LOG_LEVEL="WARNING",
            **more,
        )
        use(env)
        django.setup()
        yield Started(folder=folder, env=env, mysql=mysql, kafka=kafka, mongod=mongod)
