"""The system that consists of Debezium and MongoDB's Kafka sink in one Connect worker."""

from collections.abc import Sequence
from dataclasses import dataclass

from project.stack.errors import StackError
from tests.bench.system import Replica, System
from tests.bench.worker import SINK, SOURCE, Worker

PREFIX = "bench"
_TABLE = "stories_story"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The servers that the peer connects to."""

    mysql_host: str
    mysql_port: int
    mysql_user: str
    mysql_password: str
    bootstrap_servers: str
    mongodb_uri: str


class Peer(System):
    """The peer. Between measurements, its worker keeps running, and its connectors are stopped.

    A tuned peer polls for changes every millisecond instead of every 500 ms, and sends them without
    delay. It reads larger batches and writes with two tasks. Kafka detects a killed sink sooner.
    """

    def __init__(
        self,
        title: str,
        database: str,
        replica: Replica,
        worker: Worker,
        endpoints: Endpoints,
        *,
        tuned: bool,
    ) -> None:
        topic = f"{PREFIX}.{database}.{_TABLE}"
        super().__init__(title, database, topic, captured=False, replica=replica)
        self._worker, self._endpoints, self._tuned = worker, endpoints, tuned
        self.connectors = {SOURCE: self._source(), SINK: self._sink(topic)}

    def start(self) -> None:
        same = self._worker.alive and self._worker.connectors == self.connectors
        if same and self._worker.resume():
            return
        self._worker.stop()
        self._worker.connectors = self.connectors
        self._worker.launch()

    def stop(self) -> None:
        if self._worker.alive:
            self._worker.halt()
            self.wait(self._worker.halted, "the stop of the connectors")

    def kill(self) -> None:
        self._worker.kill()

    def hold(self) -> None:
        """Pause the source. Its task stays ready, and reads the binlog until its queue is full."""
        self._worker.pause(SOURCE)
        self.wait(lambda: self._worker.paused(SOURCE), "the pause of the source")

    def release(self) -> None:
        if not self._worker.resume():
            raise StackError(f"{self.title}: the worker did not resume its source.")

    def pids(self) -> Sequence[int]:
        pid = self._worker.pid
        return [] if pid is None else [pid]

    def _source(self) -> dict[str, str]:
        endpoints = self._endpoints
        tuned = {"poll.interval.ms": "1", "producer.override.linger.ms": "0"}
        return {
            "connector.class": "io.debezium.connector.mysql.MySqlConnector",
            "tasks.max": "1",
            "database.hostname": endpoints.mysql_host,
            "database.port": str(endpoints.mysql_port),
            "database.user": endpoints.mysql_user,
            "database.password": endpoints.mysql_password,
            "database.server.id": "54001",
            # Our system does not use TLS over loopback either.
            "database.ssl.mode": "disabled",
            "driver.allowPublicKeyRetrieval": "true",
            "topic.prefix": PREFIX,
            "database.include.list": self.database,
            "table.include.list": f"{self.database}.{_TABLE}",
            "include.schema.changes": "false",
            "schema.history.internal.kafka.bootstrap.servers": endpoints.bootstrap_servers,
            "schema.history.internal.kafka.topic": f"{PREFIX}-history",
            # Debezium cannot parse the indexes on expressions that other systems' tables have.
            "schema.history.internal.store.only.captured.tables.ddl": "true",
            "schema.history.internal.store.only.captured.databases.ddl": "true",
            **(tuned if self._tuned else {}),
        }

    def _sink(self, topic: str) -> dict[str, str]:
        handler = "com.mongodb.kafka.connect.sink.cdc.debezium.rdbms.mysql.MysqlHandler"
        tuned = {
            "tasks.max": "2",
            "consumer.override.max.poll.records": "2000",
            # As in our consumer. Kafka detects a kill after 6 s instead of 45 s.
            "consumer.override.session.timeout.ms": "6000",
            "consumer.override.heartbeat.interval.ms": "2000",
        }
        return {
            "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
            "tasks.max": "1",
            "topics": topic,
            "connection.uri": self._endpoints.mongodb_uri,
            "database": self.database,
            "collection": _TABLE,
            "change.data.capture.handler": handler,
            **(tuned if self._tuned else {}),
        }
