"""A Kafka broker that belongs to one test, with a different configuration than usual."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from project.stack.kafka.broker import Kafka
from project.stack.ports import LOOPBACK, free_port
from tests.support.tls import MISNAMED, certificate

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


_LISTENERS = {
    "SECURE": ("127.0.0.1", "SASL_SSL"),
    "EXPIRED": ("127.0.0.1", "SASL_SSL"),
    "MISNAMED": (MISNAMED, "SASL_SSL"),
    "BARE": ("127.0.0.1", "SASL_PLAINTEXT"),
}
_SECURED = """
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port},{listeners}
advertised.listeners=BROKER://{host}:{port},{listeners}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
sasl.enabled.mechanisms=SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={valid}
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location={expired}
# A client whose password was changed is refused after this time, even if it stays connected.
connections.max.reauth.ms=2000
"""
_SCRAM = (
    "listener.name.{name}.scram-sha-512.sasl.jaas.config="
    "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
)

RARE_HEARTBEATS = """
broker.heartbeat.interval.ms=4000
broker.session.timeout.ms=2000
"""
"""Properties of a broker that the controller fences in each period until the next heartbeat."""


class OwnKafka(Kafka):
    """A broker with additional properties, which replace those of the same name."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder, port := free_port(), free_port([port]))
        self._more = more

    def restart(self, more: str = "") -> None:
        """Restart the broker with other additional properties."""
        self.stop()
        self._more = more
        self.start()

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


class SecuredKafka(OwnKafka):
    """A broker on which `address` needs no login, and the listeners in `_LISTENERS` do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        taken = [self.port, self.controller_port]
        self._servers: dict[str, str] = {}
        for name, (host, _) in _LISTENERS.items():
            taken.append(free_port(taken))
            self._servers[name] = f"{host}:{taken[-1]}"
        self._more = _SECURED.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self.controller_port,
            listeners=",".join(f"{name}://{each}" for name, each in self._servers.items()),
            protocols=",".join(f"{name}:{protocol}" for name, (_, protocol) in _LISTENERS.items()),
            valid=certificate("valid"),
            expired=certificate("expired"),
        ) + "".join(_SCRAM.format(name=name.lower()) for name in _LISTENERS)

    def server(self, listener: str) -> str:
        """Return the address of a listener."""
        return self._servers[listener]

    def set_password(self, user: str, password: str) -> None:
        """Create a user, or change the password of a user."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        admin = AdminClient({"bootstrap.servers": self.address})
        admin.alter_user_scram_credentials([change])[user].result(60)


def scram_config(user: str, password: str, authority: str = "authority") -> dict[str, str]:
    """Return the settings of a client that logs in over TLS."""
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
        "ssl.ca.location": certificate(authority),
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
