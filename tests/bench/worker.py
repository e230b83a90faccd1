"""A standalone Kafka Connect worker with Debezium's MySQL source and MongoDB's Kafka sink."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, ClassVar

from project.stack.errors import StackError
from project.stack.kafka.broker import LOG4J
from project.stack.kafka.jars import Jars
from project.stack.kafka.java import java
from project.stack.ports import LOOPBACK
from project.stack.service import Service

SUMS_FILE = Path(__file__).with_name("peer.sha512")
SOURCE, SINK = "source", "sink"

_ANSWER_SECONDS, _RESUME_SECONDS = 120.0, 20.0
# The options that Kafka's start script gives to a standalone worker.
_JVM_OPTIONS = (
    *("-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"),
    *("-XX:-UsePerfData", "--sun-misc-unsafe-memory-access=allow"),
    "--enable-native-access=ALL-UNNAMED",
)


class Worker(Service):
    """The only process of the peer. Its connectors are stopped and resumed over HTTP."""

    name = "connect"
    ready_seconds: ClassVar[float] = 120.0

    def __init__(self, folder: Path, port: int, bootstrap_servers: str) -> None:
        super().__init__(folder, port)
        self._bootstrap_servers = bootstrap_servers
        self._jars = Jars(SUMS_FILE)
        self.connectors: dict[str, dict[str, str]] = {}
        """The configuration of each connector; the worker reads it when it starts."""

    def install(self) -> None:
        """Download missing jars (53 MB in total), and verify their checksums."""
        java()
        self._jars.install()

    def answers(self) -> bool:
        """Return whether both connectors and their tasks are running."""
        try:
            return all(self._runs(name) for name in self.connectors)
        except StackError:
            return False  # still starting

    def resume(self) -> bool:
        """Resume the stopped connectors. Return False if the worker does not respond in time.

        For an unknown reason, the worker did not respond to a few percent of these requests for
        minutes. The caller then restarts the worker.
        """
        try:
            for name in self.connectors:
                self._ask("PUT", f"/connectors/{name}/resume", seconds=_RESUME_SECONDS)
        except StackError:
            return False
        return True

    def pause(self, name: str) -> None:
        """Pause a connector; its tasks stay ready."""
        self._ask("PUT", f"/connectors/{name}/pause")

    def paused(self, name: str) -> bool:
        """Return whether a connector and its tasks are paused."""
        return _states(self._ask("GET", f"/connectors/{name}/status")) == {"PAUSED"}

    def halt(self) -> None:
        """Stop the connectors and their tasks, but not the process."""
        for name in self.connectors:
            self._ask("PUT", f"/connectors/{name}/stop")

    def halted(self) -> bool:
        """Return whether all connectors are stopped and have no tasks."""
        found = [self._ask("GET", f"/connectors/{name}/status") for name in self.connectors]
        return all(one["connector"]["state"] == "STOPPED" and not one["tasks"] for one in found)

    def _runs(self, name: str) -> bool:
        status = self._ask("GET", f"/connectors/{name}/status")
        return _states(status) == {"RUNNING"} and bool(status["tasks"])

    def _ask(self, method: str, path: str, seconds: float = _ANSWER_SECONDS) -> Any:
        connection = HTTPConnection(LOOPBACK, self.port, timeout=seconds)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            answer = response.read().decode(errors="replace")
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise StackError(f"{self.name} rejected {method} {path}: {answer[:300]!r}.")
            return json.loads(answer) if answer else None
        except OSError as error:
            raise StackError(
                f"{self.name} did not respond to {method} {path} ({error})."
            ) from error
        finally:
            connection.close()

    def _prepare(self) -> None:
        (self.folder / "log4j2.properties").write_text(LOG4J)
        self._tmp.mkdir(exist_ok=True)
        _write(self._config, self.config())
        for name, config in self.connectors.items():
            _write(self._file(name), {"name": name, **config})

    def _command(self) -> list[str]:
        options = (
            f"-Djava.io.tmpdir={self._tmp}",
            f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties",
        )
        program = ("-cp", self._jars.class_path, "org.apache.kafka.connect.cli.ConnectStandalone")
        files = [str(self._config), *(str(self._file(name)) for name in self.connectors)]
        return [str(java()), *_JVM_OPTIONS, *options, *program, *files]

    @property
    def _tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def _config(self) -> Path:
        return self.folder / "worker.properties"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.properties"

    def config(self) -> dict[str, str]:
        """Return the configuration of the worker itself."""
        converter = "org.apache.kafka.connect.json.JsonConverter"
        return {
            "bootstrap.servers": self._bootstrap_servers,
            "listeners": f"http://{self.address}",
            "offset.storage.file.filename": str(self.folder / "offsets"),
            # All jars are on the class path.
            "plugin.discovery": "service_load",
            # A schema in each message would be larger than the row.
            "key.converter": converter,
            "key.converter.schemas.enable": "false",
            "value.converter": converter,
            "value.converter.schemas.enable": "false",
        }


def _states(status: Mapping[str, Any]) -> set[str]:
    """Return the states of a connector and of its tasks."""
    return {status["connector"]["state"], *(task["state"] for task in status["tasks"])}


def _write(file: Path, config: Mapping[str, str]) -> None:
    lines = (f"{key}={value}\n" for key, value in config.items())
    file.write_text("".join(lines))
    file.chmod(0o600)  # connector files contain a password
