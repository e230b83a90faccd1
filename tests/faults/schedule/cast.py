"""The processes of a schedule: daemons, web server, job process and writers."""

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdc.conf import CdcSettings
from project.stack.ports import free_port
from tests.faults.crew import Crew, Member, wait_until

STORIES = 200
_SPARE = "spare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The numbers of processes, and the changes per second of all writers."""

    relays: int = 3
    consumers: int = 3
    jobs: int = 0
    writers: int = 3
    rate: float | None = None
    """None means: as fast as possible, with a short pause after each write."""


class Cast:
    """Relays, consumers, a web server, job processes and writers.

    `tend` restarts whatever has ended, as a supervisor does.
    """

    def __init__(
        self,
        settings: CdcSettings,
        folder: Path,
        environment: Mapping[str, str],
        seed: int,
        size: Size,
    ) -> None:
        self.folder, self._seed, self._size = folder, seed, size
        self.crew = Crew(
            settings,
            folder,
            relays=size.relays,
            consumers=size.consumers,
            environment=environment,
        )
        self.jobs = [
            Member(f"jobs-{number}", folder, self.crew.environment, "run_jobs")
            for number in range(1, size.jobs + 1)
        ]
        self.web_port = free_port()
        self.web = Member(
            "web",
            folder,
            {**self.crew.environment, "DJANGO_DEBUG": "on"},
            "--port",
            str(self.web_port),
            program=("-m", "project.web_server"),
        )
        self.writers: list[Member] = []
        self.writer_codes: list[int | None] = []

    @property
    def processes(self) -> dict[str, Member]:
        """The members that a schedule may strike, by name."""
        return {member.name: member for member in [*self.crew.members, *self._others]}

    @property
    def _others(self) -> list[Member]:
        return [self.web, *self.jobs]

    def tend(self) -> None:
        self.crew.tend()
        for member in [*self._others, *self.writers]:
            if not member.daemon.alive():
                self.writer_codes += [member.daemon.exit_code] if member in self.writers else []
                member.daemon.start()

    def start_writers(self) -> None:
        program = ("-m", "tests.faults.schedule.writer")
        count = self._size.writers
        seeds = [self._seed * 1000 + number for number in range(count)]
        rate = [] if self._size.rate is None else [str(self._size.rate / count)]
        self.writers = [
            Member(
                f"writer-{seed}",
                self.folder,
                self.crew.environment,
                str(seed),
                str(STORIES),
                *rate,
                program=program,
                root=self.crew.root,
            )
            for seed in seeds
        ]

    def stop_writers(self) -> None:
        writers, self.writers = self.writers, []
        self.writer_codes += [member.daemon.stop() for member in writers]

    def upgrade(self, members: Sequence[Member]) -> None:
        """Stop members cleanly. Wait until `tend` has started them with the code in `crew.root`."""
        before = [member.daemon.pid for member in members]
        for member in members:
            member.daemon.root = self.crew.root
            member.daemon.signal(signal.SIGTERM)
        wait_until(
            lambda: all(
                member.daemon.pid != pid for member, pid in zip(members, before, strict=True)
            ),
            "the members run the new code",
        )

    def rebalance(self, seconds: float) -> None:
        """Add a consumer for `seconds`."""
        spare = self.crew.consumer(_SPARE, self.folder)
        time.sleep(seconds)
        spare.daemon.stop()

    def end(self) -> None:
        self.crew.kill()
        for member in [*self._others, *self.writers]:
            if member.daemon.alive():
                member.daemon.kill()
