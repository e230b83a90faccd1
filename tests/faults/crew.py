"""Relays and consumers as processes, which are killed or suspended at fault points."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
from django.db import connection

from cdc.conf import CdcSettings
from cdc.runtime import telemetry
from cdc.runtime.fault_points import FILE_VARIABLE
from tests.support.equality import replica_content, table_content
from tests.support.paths import ROOT
from tests.support.processes import MANAGE, Daemon

COSTLY_SECONDS = 0.1
"""The pause between two looks that read whole collections or the whole status."""


def wait_until(
    holds: Callable[[], bool],
    what: str,
    seconds: float = 90.0,
    *,
    every: float = 0.02,
    meanwhile: Callable[[], object] = lambda: None,
) -> float:
    """Wait until `holds()` is true, and call `meanwhile` again and again.

    Return the seconds waited. Fail the test after `seconds`.
    """
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        meanwhile()
        time.sleep(every)
    return time.monotonic() - began


class Member:
    """A relay or a consumer. After a restart it has the same name."""

    def __init__(
        self,
        name: str,
        folder: Path,
        environment: dict[str, str],
        *command: str,
        program: Sequence[str] = MANAGE,
        root: Path = ROOT,
    ) -> None:
        self.name = name
        self._fault = folder / f"{name}.fault"
        environment = {**environment, FILE_VARIABLE: str(self._fault)}
        self.daemon = Daemon(
            folder / f"{name}.log", environment, *command, program=program, root=root
        )

    def arm(self, fault: str) -> None:
        """Set a fault such as `POINT:kill`, which is executed once when POINT is reached."""
        draft = self._fault.with_suffix(".draft")
        draft.write_text(fault)
        draft.rename(self._fault)

    def disarm(self) -> bool:
        """Remove the fault. Return False if it has been executed."""
        try:
            self._fault.unlink()
        except FileNotFoundError:
            return False
        return True

    def struck(self) -> bool:
        """Return whether a fault killed or suspended the process."""
        killed = self.daemon.exit_code == -signal.SIGKILL
        return killed or self._status() == psutil.STATUS_STOPPED

    def _status(self) -> str:
        try:
            return str(psutil.Process(self.daemon.pid).status())
        except psutil.NoSuchProcess:
            return str(psutil.STATUS_DEAD)


class Crew:
    """The relays and consumers of one database, topic and replica."""

    def __init__(
        self,
        settings: CdcSettings,
        folder: Path,
        *,
        relays: int = 3,
        consumers: int = 2,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.environment = {**daemon_environment(settings, folder), **(environment or {})}
        self.root = ROOT
        """The folder of the code that new members run."""
        self.ended: list[tuple[str, int | None]] = []
        """The names and exit codes of all processes that `tend` has restarted."""
        self.crashed: list[str] = []
        """The names of those processes that Kafka had not removed from their group."""
        self._tending = threading.Lock()
        self.relays = [
            Member(f"relay-{number}", folder, self.environment, "relay_outbox")
            for number in range(1, relays + 1)
        ]
        self.consumers = [self.consumer(f"consumer-{n}", folder) for n in range(1, consumers + 1)]

    @property
    def members(self) -> list[Member]:
        return [*self.relays, *self.consumers]

    def wait_until_ready(self) -> None:
        """Wait until a relay publishes and MongoDB contains a position of each partition.

        A backup of MongoDB without positions is that of a new consumer group.
        """
        publishes = "relay.started"
        wait_until(
            lambda: any(publishes in relay.daemon.log for relay in self.relays), "a relay publishes"
        )
        for consumer in self.consumers:
            consumer.daemon.wait_for("consumer.started")
        if self.consumers:
            self._wait_until(self._all_taken, "the consumers read all partitions")

    def _all_taken(self) -> bool:
        self.tend()
        logs = "".join(each.daemon.log for each in self.consumers)
        taken = f"event={telemetry.PARTITION_TAKEN} topic={self.settings.topic} partition="
        return all(f"{taken}{number} " in logs for number in range(self.settings.partitions))

    def strike(
        self, members: Sequence[Member], fault: str, provoke: Callable[[], object]
    ) -> Member:
        """Set a fault for `members`. Return the first member that executed it; disarm the rest."""
        for member in members:
            member.arm(fault)
        provoke()
        self._wait_until(lambda: self._anyone_struck(members), f"{fault} strikes")
        victim = next(member for member in members if member.struck())
        for member in members:
            if not member.disarm() and member is not victim:
                # This member reached the point before its fault was removed.
                wait_until(member.struck, f"{fault} strikes {member.name}")
                member.daemon.resume()
        return victim

    def _anyone_struck(self, members: Sequence[Member]) -> bool:
        # A consumer that was suspended earlier may have lost its membership and ended: restart it.
        self.tend(killed=False)
        return any(member.struck() for member in members)

    def tend(self, *, killed: bool = True) -> None:
        """Restart the members that have ended, as a supervisor does.

        Unless `killed`, do not restart those that SIGKILL ended.
        """
        with self._tending:  # Two threads would both start the same member.
            for member in self.members:
                code = member.daemon.exit_code
                if code is not None and (killed or code != -signal.SIGKILL):
                    self.ended.append((member.name, code))
                    if not member.daemon.is_removed:
                        self.crashed.append(member.name)
                    member.daemon.start()

    def equal(self) -> bool:
        """Restart ended members. Return whether the table and the collections are equal."""
        self.tend()
        connection.close()  # An outage may have broken the connection.
        wanted = table_content()
        found = replica_content(self.settings.mongodb_uri, self.settings.mongodb_database)
        return all(content == wanted for content in found)

    def wait_until_equal(self, seconds: float = 90.0) -> float:
        what = "the table and the collections are equal"
        return self._wait_until(self.equal, what, seconds, every=COSTLY_SECONDS)

    def _wait_until(
        self, holds: Callable[[], bool], what: str, seconds: float = 90.0, *, every: float = 0.02
    ) -> float:
        """Wait until `holds()` is true. A failure shows the members' logs."""
        try:
            return wait_until(holds, what, seconds, every=every)
        except AssertionError as error:
            error.add_note(self.logs())
            raise

    def logs(self) -> str:
        return "\n".join(f"--- {item.name}\n{item.daemon.log[-1500:]}" for item in self.members)

    def kill(self) -> None:
        for member in self.members:
            if member.daemon.alive():
                member.daemon.kill()

    def consumer(self, name: str, folder: Path) -> Member:
        """Start a consumer, without adding it to the members."""
        command = ("consume_and_save_to_mongodb", "--instance", f"{socket.gethostname()}-{name}")
        return Member(name, folder, self.environment, *command, root=self.root)


def daemon_environment(settings: CdcSettings, folder: Path) -> dict[str, str]:
    """Return the environment of a daemon that uses the test's database and servers."""
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "STORYFEED_HOME": str(folder),
        "DATABASE_URL": database_url(),
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "KAFKA_TOPIC": settings.topic,
        "MONGODB_URI": settings.mongodb_uri,
        "MONGODB_DATABASE": settings.mongodb_database,
        "CONSUMER_GROUP": settings.group,
    }


def database_url() -> str:
    """Return the URL of the database that this process writes to."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password = settings["USER"], settings["PASSWORD"]
    return f"mysql://{user}:{password}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
