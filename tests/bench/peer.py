"""Debezium and MongoDB's Kafka sink, in one Connect worker, as a system to compare."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.system import Replica, System
from tests.bench.worker import SINK, SOURCE, Worker

PREFIX = "bench"
_TABLE = "stories_story"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The servers between which the peer copies."""

    mysql_host: str
    mysql_port: int
    mysql_user: str
    mysql_password: str
    bootstrap_servers: str
    mongodb_uri: str


class Peer(System):
    """The worker stays alive between the measurements, warm, with its connectors stopped.

    Tuned: it asks for changes every millisecond instead of every 500, sends them at once, takes
    more at a time, writes to MongoDB with two tasks, and is missed sooner when it was killed.
    """

    def __init__(
        self,
        title: str,
        database: str,
        replica: Replica,
        worker: Worker,
        ends: Ends,
        *,
        tuned: bool,
    ) -> None:
        topic = f"{PREFIX}.{database}.{_TABLE}"
        super().__init__(title, database, topic, captured=False, replica=replica)
        self._worker, self._ends, self._tuned = worker, ends, tuned
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
            self.wait(self._worker.halted, "the end of its tasks")

    def kill(self) -> None:
        self._worker.kill()

    def pids(self) -> Sequence[int]:
        pid = self._worker.pid
        return [] if pid is None else [pid]

    def _source(self) -> dict[str, str]:
        ends = self._ends
        tuned = {"poll.interval.ms": "1", "producer.override.linger.ms": "0"}
        return {
            "connector.class": "io.debezium.connector.mysql.MySqlConnector",
            "tasks.max": "1",
            "database.hostname": ends.mysql_host,
            "database.port": str(ends.mysql_port),
            "database.user": ends.mysql_user,
            "database.password": ends.mysql_password,
            "database.server.id": "54001",
            # TLS over loopback would only slow it down; ours does without as well.
            "database.ssl.mode": "disabled",
            "driver.allowPublicKeyRetrieval": "true",
            "topic.prefix": PREFIX,
            "database.include.list": self.database,
            "table.include.list": f"{self.database}.{_TABLE}",
            "include.schema.changes": "false",
            "schema.history.internal.kafka.bootstrap.servers": ends.bootstrap_servers,
            "schema.history.internal.kafka.topic": f"{PREFIX}-history",
            **(tuned if self._tuned else {}),
        }

    def _sink(self, topic: str) -> dict[str, str]:
        handler = "com.mongodb.kafka.connect.sink.cdc.debezium.rdbms.mysql.MysqlHandler"
        tuned = {
            "tasks.max": "2",
            "consumer.override.max.poll.records": "2000",
            # As ours: a process that was killed is missed after 6 s instead of 45.
            "consumer.override.session.timeout.ms": "6000",
            "consumer.override.heartbeat.interval.ms": "2000",
        }
        return {
            "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
            "tasks.max": "1",
            "topics": topic,
            "connection.uri": self._ends.mongodb_uri,
            "database": self.database,
            "collection": _TABLE,
            "change.data.capture.handler": handler,
            **(tuned if self._tuned else {}),
        }
