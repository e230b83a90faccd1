"""MySQL, Kafka and MongoDB in Docker containers."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from docker.errors import DockerException
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.mysql import MySqlContainer
from testcontainers.core.container import DockerContainer

from project.stack.errors import StackError

MYSQL_IMAGE = "mysql:8.4"
KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"
MONGODB_IMAGE = "mongo:8.0"
MONGODB_PORT = 27017
PRIMARY_SECONDS = 60
ANSWER_SECONDS = 20


def docker_answers() -> bool:
    """Return whether the Docker daemon responds to `docker info`."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info"], capture_output=True, check=False, timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def kafka_and_mongodb() -> Iterator[tuple[str, str]]:
    """Yield Kafka's bootstrap address and the URI of a MongoDB replica set with one member."""
    with ExitStack() as stack:
        with _failures_as_stack_errors("Kafka"):
            bootstrap_servers = stack.enter_context(_kafka()).get_bootstrap_server()
        with _failures_as_stack_errors("MongoDB"):
            mongodb = stack.enter_context(_mongodb())
            host, port = mongodb.get_container_host_ip(), mongodb.get_exposed_port(MONGODB_PORT)
        # The member's name resolves only inside the container, so the client must not discover it.
        uri = f"mongodb://{host}:{port}/?directConnection=true"
        _make_primary(uri)
        yield bootstrap_servers, uri


@contextmanager
def mysql() -> Iterator[Callable[[str], str]]:
    """Yield a function that returns the URL of a database on a MySQL server, given its name."""
    with ExitStack() as stack:
        with _failures_as_stack_errors("MySQL"):
            container = stack.enter_context(_mysql())
            host = container.get_container_host_ip()
            port = container.get_exposed_port(container.port)
        yield f"mysql://root:{container.root_password}@{host}:{port}/{{}}".format


@contextmanager
def _failures_as_stack_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (DockerException, RuntimeError, OSError) as error:
        # The lines after the first are the container's log.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise StackError(f"{name}'s container failed to start ({reason})") from error


def _kafka() -> KafkaContainer:
    return KafkaContainer(KAFKA_IMAGE).with_kraft()


def _mongodb() -> DockerContainer:
    container = DockerContainer(MONGODB_IMAGE).with_command("--replSet rs0 --bind_ip_all")
    return container.with_exposed_ports(MONGODB_PORT)


def _mysql() -> MySqlContainer:
    # As root, because the tests create databases.
    return MySqlContainer(MYSQL_IMAGE, username="root", password=secrets.token_urlsafe(18))


def _make_primary(uri: str) -> None:
    end, initiated = time.monotonic() + PRIMARY_SECONDS, False
    while time.monotonic() < end:
        # A client that was opened before the initiation never discovers the replica set.
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=1000) as client:
            try:
                if not initiated:
                    member = {"_id": 0, "host": f"localhost:{MONGODB_PORT}"}
                    client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
                    initiated = True
                if client.admin.command("hello").get("isWritablePrimary"):
                    return
            except PyMongoError:
                pass  # still starting
        time.sleep(0.2)
    raise StackError(f"MongoDB's container did not become primary within {PRIMARY_SECONDS} s")
