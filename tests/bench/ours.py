"""The system that consists of this project's relay and consumer."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.system import Replica, System
from tests.support.processes import Daemon

_COMMANDS = ("relay_outbox", "consume_and_save_to_mongodb")


class Ours(System):
    """One relay and one consumer process, which are started for each measurement."""

    def __init__(
        self, title: str, database: str, replica: Replica, folder: Path, env: dict[str, str]
    ) -> None:
        super().__init__(title, database, database, captured=True, replica=replica)
        self._folder, self._env = folder, env
        self._daemons: list[Daemon] = []

    def start(self) -> None:
        self._daemons = [
            Daemon(self._folder / f"{self.database}-{command}.log", self._env, command)
            for command in _COMMANDS
        ]

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.stop()

    def kill(self) -> None:
        for daemon in self._daemons:
            daemon.kill()

    def pids(self) -> Sequence[int]:
        return [daemon.pid for daemon in self._daemons]
