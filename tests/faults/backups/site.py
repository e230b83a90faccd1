"""A pipeline under traffic, whose stores are replaced with backups."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.db import connection

from cdc.conf import CdcSettings
from cdc.models import DeadLetter, Job, JobState
from cdc.registry import registry
from cdc.runtime.error_report import STALE_SECONDS
from cdc.status.findings import State
from cdc.status.reader import StatusReader
from cdc.status.verdict import Status
from tests.faults.crew import COSTLY_SECONDS, Crew, wait_until
from tests.faults.traffic import Traffic
from tests.faults.watcher import Judge, Watcher
from tests.support.commands import manage_patiently
from tests.support.processes import Daemon

_STATUS_SECONDS = STALE_SECONDS + 30
"""A consumer that Kafka removed and that was then stopped is reported for STALE_SECONDS."""


class Site:
    """One relay, one consumer and `run_jobs`, with writers and a watcher."""

    def __init__(self, settings: CdcSettings, folder: Path) -> None:
        self.settings = settings
        self.crew = Crew(settings, folder, relays=1, consumers=1)
        (self.relay,) = (each.daemon for each in self.crew.relays)
        (self.consumer,) = (each.daemon for each in self.crew.consumers)
        self.jobs = Daemon(folder / "jobs.log", self.crew.environment, "run_jobs")
        self.traffic = Traffic(pause=0.02)
        self.watcher = Watcher(settings.mongodb_uri, settings.mongodb_database)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        return self.relay, self.consumer, self.jobs

    def kill(self) -> None:
        for daemon in self.daemons:
            if daemon.alive():
                daemon.kill()

    def write(self, changes: int = 100) -> None:
        """Let the writers commit this many changes."""
        enough = self.traffic.written + changes
        wait_until(lambda: self.traffic.written >= enough, "the writers continue")

    def stop(self, *daemons: Daemon) -> None:
        for daemon in daemons:
            daemon.wait_until_stoppable()
            daemon.signal(signal.SIGTERM)
        assert [daemon.wait() for daemon in daemons] == [0] * len(daemons)

    def start(self, *daemons: Daemon) -> None:
        for daemon in daemons:
            daemon.start()

    def run(self, *command: str, consumer: Daemon | None = None, **environment: str) -> str:
        """Run a command that must succeed, and return its output.

        Meanwhile, tend `consumer`, by default that of the site: `reconcile` waits for it.
        """
        tend = (consumer or self.consumer).tend
        complete = {**self.crew.environment, **environment}
        done = manage_patiently(complete, *command, meanwhile=tend)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self, settings: CdcSettings | None = None) -> Status:
        connection.close()  # The database may have been replaced.
        return StatusReader(settings or self.settings, registry).read()

    def wait_for(self, state: State, text: str) -> Status:
        """Wait until the status gives `text` as the reason for `state`."""
        found: list[Status] = []

        def shown() -> bool:
            found.append(self.status())
            findings = {each.state: each.text for each in found[-1].findings}
            return text in findings.get(state, "")

        try:
            what, tend = f"{state}: {text}", self.consumer.tend
            wait_until(shown, what, _STATUS_SECONDS, every=COSTLY_SECONDS, meanwhile=tend)
        except AssertionError as error:
            error.add_note(found[-1].verdict)
            raise
        assert not found[-1].healthy
        return found[-1]

    @contextmanager
    def replacing_mongodb(self) -> Iterator[None]:
        """Judge the snapshots after the block separately from those before it."""
        assert self.watcher.judge.violations == []
        yield
        self.watcher.judge = Judge()

    def end(self) -> None:
        """Pause the writers until the replica equals the table; the status must then be healthy."""
        with self.traffic.paused():
            self.crew.wait_until_equal(120)
            wait_until(self._repaired, "the requested repairs", 60, meanwhile=self.consumer.tend)
            self._until_healthy(self.status)
        assert self.watcher.judge.violations == []
        assert not DeadLetter.objects.exists()
        assert self.crew.crashed == []

    def healthy_group(self, settings: CdcSettings, consumer: Daemon) -> None:
        """Wait until the status of another consumer group is healthy; tend its consumer."""

        def read() -> Status:
            consumer.tend()
            return self.status(settings)

        self._until_healthy(read)

    def _repaired(self) -> bool:
        return not Job.objects.exclude(state=JobState.DONE).exists()

    def _until_healthy(self, read: Callable[[], Status]) -> None:
        found: list[Status] = []

        def healthy() -> bool:
            self.crew.tend()
            found.append(read())
            return found[-1].healthy

        try:
            wait_until(healthy, "a healthy status", _STATUS_SECONDS, every=COSTLY_SECONDS)
        except AssertionError as error:
            error.add_note(found[-1].verdict)
            raise


def other_group(settings: CdcSettings, uri: str) -> CdcSettings:
    """Return the settings of a consumer group that fills another MongoDB deployment."""
    return replace(settings, group=f"{settings.group}_other", mongodb_uri=uri)
