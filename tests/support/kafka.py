"""A Kafka broker that belongs to one test, with another configuration than usual."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.stack.kafka.broker import Kafka
from project.stack.ports import LOOPBACK, free_port

USER, PASSWORD = "storyfeed", "password"
_RESTRICTED = """
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port},CLIENT://{host}:{client}
advertised.listeners=BROKER://{host}:{port},CLIENT://{host}:{client}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:SASL_PLAINTEXT
listener.name.client.sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config=\\
    org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


class OwnKafka(Kafka):
    """A broker with additional properties, which replace those of the same name."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder, port := free_port(), free_port([port]))
        self._more = more

    def _write_config(self, data: Path) -> None:
        super()._write_config(data)
        with self._config.open("a", encoding="latin-1") as file:
            file.write(self._more)


class RestrictedKafka(OwnKafka):
    """A broker on which the user of the listener `CLIENT` needs rights."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.client_port = free_port([self.port, self.controller_port])
        self._more = _RESTRICTED.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self.controller_port,
            client=self.client_port,
            user=USER,
            password=PASSWORD,
        )

    @property
    def client_config(self) -> dict[str, str]:
        """The settings with which the user connects."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        }


@contextmanager
def running(kafka: Kafka) -> Iterator[Kafka]:
    """Start a broker, and stop it on exit."""
    kafka.install()
    kafka.start()
    try:
        yield kafka
    finally:
        kafka.stop()
