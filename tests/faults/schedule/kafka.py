"""A Kafka cluster on loopback, in which each broker can be behind a proxy."""

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from project.stack.kafka.broker import ANSWER_SECONDS, Kafka
from project.stack.ports import LOOPBACK

# The last value of a key in a properties file is used.
_OVERRIDES = """
node.id={number}
controller.quorum.voters={voters}
advertised.listeners=BROKER://{host}:{advertised}
default.replication.factor={replicas}
min.insync.replicas={insync}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={insync}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={insync}
controller.quorum.election.timeout.ms=1000
broker.session.timeout.ms={session_ms}
broker.heartbeat.interval.ms={heartbeat_ms}
unclean.leader.election.enable=false
"""


@dataclass(frozen=True, slots=True)
class Node:
    """The ports of one broker. Clients and other brokers connect to the port `advertised`."""

    number: int
    port: int
    controller_port: int
    advertised: int


class Broker(Kafka):
    """One of the brokers in `nodes`."""

    def __init__(
        self, folder: Path, node: Node, nodes: Sequence[Node], seed: int, *, quick: bool = True
    ) -> None:
        """`quick` shortens the timeouts of the cluster; otherwise they are Kafka's defaults."""
        super().__init__(folder / f"kafka-{node.number}", node.port, node.controller_port)
        self._node, self._nodes, self._seed = node, nodes, seed
        self._timeouts = {"session_ms": 9000, "heartbeat_ms": 2000}
        if quick:
            self._timeouts = {"session_ms": 6000, "heartbeat_ms": 1000}

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"{LOOPBACK}:{node.advertised}" for node in self._nodes)

    def answers(self) -> bool:
        """Return whether this broker is registered with the cluster."""
        client = AdminClient(
            {
                "bootstrap.servers": self.address,
                "log_level": 0,
                "reconnect.backoff.max.ms": 100,
            }
        )
        try:
            return self._node.number in client.list_topics(timeout=ANSWER_SECONDS).brokers
        except KafkaException:
            return False

    def _cluster_id(self) -> str:
        # All brokers derive the same id from the seed.
        number = random.Random(self._seed).randbytes(16)
        return base64.urlsafe_b64encode(b"\x40" + number[1:]).decode().rstrip("=")

    def _write_config(self, data: Path) -> None:
        super()._write_config(data)
        replicas = len(self._nodes)
        overrides = _OVERRIDES.format(
            number=self._node.number,
            voters=",".join(
                f"{node.number}@{LOOPBACK}:{node.controller_port}" for node in self._nodes
            ),
            host=LOOPBACK,
            advertised=self._node.advertised,
            replicas=replicas,
            insync=max(replicas - 1, 1),
            **self._timeouts,
        )
        with self._config.open("a") as file:
            file.write(overrides)
