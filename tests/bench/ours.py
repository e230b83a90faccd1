"""The system that consists of this project's relay and consumers."""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cdc.models import RelayLease
from cdc.runtime.database import DatabaseNow
from tests.bench.system import Replica, System
from tests.support.processes import Daemon

_SETTLE_SECONDS = 0.5
_POSITIONS = "storyfeed_offsets"


class Ours(System):
    """One relay and one or more consumer processes."""

    def __init__(
        self,
        title: str,
        database: str,
        replica: Replica,
        folder: Path,
        env: dict[str, str],
        *,
        consumers: int = 1,
    ) -> None:
        super().__init__(title, database, database, captured=True, replica=replica)
        self._folder, self._env, self._count = folder, env, consumers
        self._relay: Daemon | None = None
        self._consumers: list[Daemon] = []
        self._before: set[str] = set()

    def start(self) -> None:
        self._before = self._owners()
        # Each process is stored at once, so that `stop` ends it even if the next cannot start.
        self._relay = self._daemon("relay_outbox")
        self._consumers = []
        for number in range(self._count):
            consume = ("consume_and_save_to_mongodb", "--instance", f"{self.database}-{number}")
            self._consumers.append(self._daemon(*consume))

    def stop(self) -> None:
        self.release()  # A suspended process would not see SIGTERM.
        for daemon in self._daemons:
            daemon.stop()

    def kill(self) -> None:
        for daemon in self._daemons:
            daemon.kill()

    def hold(self) -> None:
        """Suspend the relay. Consumers keep running, because a suspended one leaves its group."""
        assert self._relay is not None
        time.sleep(_SETTLE_SECONDS)  # The relay deletes published rows in the background.
        self._relay.pause()
        # Otherwise, the resumed relay would have to take over its own expired lease.
        RelayLease.objects.update(expires_at=DatabaseNow() + timedelta(hours=1))

    def release(self) -> None:
        if self._relay is not None and self._relay.alive():
            self._relay.resume()

    def pids(self) -> Sequence[int]:
        return [daemon.pid for daemon in self._daemons]

    def catch_up(self) -> None:
        """Also wait until each consumer has a partition."""
        super().catch_up()
        self.wait(lambda: len(self._owners() - self._before) == self._count, "a joined consumer")

    @property
    def _daemons(self) -> list[Daemon]:
        return [*([self._relay] if self._relay else []), *self._consumers]

    def _owners(self) -> set[str]:
        positions = self.replica.database[_POSITIONS]
        return set(positions.distinct("owner", {"_id.topic": self.topic}))

    def _daemon(self, *command: str) -> Daemon:
        log = self._folder / f"{self.database}-{command[-1]}.log"
        return Daemon(log, self._env, *command)
