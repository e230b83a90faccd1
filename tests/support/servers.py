"""The servers of a test run: Docker containers if Docker is available, else local programs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from project.stack.errors import StackError
from project.stack.kafka.broker import Kafka
from project.stack.kafka.training import train
from project.stack.mongod import Mongod
from project.stack.ports import free_port
from project.stack.service import Service
from project.up.console import Console
from tests.support import containers
from tests.support.databases import DATABASES


class Servers:
    """Context managers that start the servers of a run and stop them on exit."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._docker = containers.docker_answers()
        self.in_containers: list[str] = []

    @contextmanager
    def feed(self) -> Iterator[tuple[str, str]]:
        """Yield Kafka's bootstrap address and MongoDB's URI."""
        with ExitStack() as stack:
            if self._docker:
                try:
                    addresses = stack.enter_context(containers.kafka_and_mongodb())
                    self.in_containers += ["kafka", "mongod"]
                except StackError as error:
                    self._fall_back(error)
            if not self._docker:
                addresses = stack.enter_context(self._local_feed())
            yield addresses

    @contextmanager
    def database(self, name: str) -> Iterator[Callable[[str], str]]:
        """Yield a function that returns the URL of a database on the server, given its name."""
        with ExitStack() as stack:
            if self._docker and name == "mysql":
                try:
                    url = stack.enter_context(containers.mysql())
                    self.in_containers.append(name)
                except StackError as error:
                    self._fall_back(error)
            if name not in self.in_containers:
                url = stack.enter_context(self._local_database(name))
            yield url

    def _fall_back(self, error: StackError) -> None:
        self._console.say(f"{error}; using local servers instead")
        self._docker = False

    @contextmanager
    def _local_feed(self) -> Iterator[tuple[str, str]]:
        kafka = Kafka(self._folder / "kafka", port := free_port(), free_port([port]))
        kafka.install()
        train()  # a whole run starts dozens of brokers
        mongod = Mongod(self._folder / "mongod", free_port([kafka.port, kafka.controller_port]))
        with running([kafka, mongod], self._console):
            yield kafka.bootstrap_servers, mongod.uri

    @contextmanager
    def _local_database(self, name: str) -> Iterator[Callable[[str], str]]:
        server = DATABASES[name].server(self._folder)
        with running([server] if server else [], self._console):
            yield partial(DATABASES[name].url, server, self._folder)


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """End the program with one line if a server cannot be started."""
    try:
        yield
    except StackError as error:
        sys.exit(f"storyfeed: {error}")


@contextmanager
def running(services: Sequence[Service], console: Console) -> Iterator[None]:
    """Start servers, and stop them in reverse order on exit."""
    with ExitStack() as stack:
        for service in services:
            service.install()
            stack.callback(service.stop)
            service.launch()
        for service in services:
            service.wait_ready()
            console.say(f"{service.name} is up on {service.address}")
        yield


@contextmanager
def launched(services: Sequence[Service]) -> Iterator[None]:
    """Start servers that a test may kill, and kill them in reverse order on exit."""
    with ExitStack() as stack:
        for service in services:
            service.install()
            stack.callback(service.kill)
            service.launch()
        for service in services:
            service.wait_ready()
        yield
