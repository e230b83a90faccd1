"""After outages of Kafka, MongoDB or the database, daemons recover without intervention."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from pytest_django.plugin import DjangoDbBlocker

from cdc.conf import CdcSettings
from project.stack.kafka.broker import Kafka
from project.stack.mongod import Mongod
from project.stack.ports import free_port
from project.stack.service import Service
from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.crew import Crew, Member, wait_until
from tests.faults.databases import isolated_database, server_kind
from tests.faults.topic import disorder
from tests.faults.traffic import Traffic, create_outbox_log, logged
from tests.faults.watcher import Watcher
from tests.support.databases import DATABASES

# SQLite has no server that could fail.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks]

ORDINARY_SECONDS = 4.0
OUTAGE_SECONDS = float(os.environ.get("FAULT_OUTAGE_SECONDS", ORDINARY_SECONDS))
"""How many seconds an outage lasts. Manual runs use 120."""
OUTAGES = ["suspended", "dead"] if OUTAGE_SECONDS > ORDINARY_SECONDS else ["suspended"]
"""A suspended server is the harder case, because it accepts connections and does not respond."""
STOP_SECONDS = 5.0 if OUTAGE_SECONDS > ORDINARY_SECONDS else 19.0
"""The promise is 5 s. On a busy machine a stop takes longer, but less than a client's timeout."""
_MAX_GROWTH_MEGABYTES = 80
"""The limit on a daemon's growth: twice the largest prefetch of a consumer, and a reserve."""
_SIGTERM_BIT = 1 << (signal.SIGTERM - 1)
NAMES = ("kafka", "mongod", "database")


class Servers:
    """Servers for this module only, so that their outages affect no other test."""

    by_name: dict[str, Service]

    def __init__(self, folder: Path) -> None:
        port = free_port()
        kind = server_kind()
        database = DATABASES[kind].server(folder)
        assert database is not None
        self.kafka = Kafka(folder / "kafka", port, free_port([port]))
        self.mongod = Mongod(folder / "mongod", free_port())
        self.database_url = DATABASES[kind].url(database, folder, "storyfeed")
        self.by_name = dict(zip(NAMES, (self.kafka, self.mongod, database), strict=True))

    def start(self, stack: ExitStack) -> None:
        for service in self.by_name.values():
            service.install()
            stack.callback(service.kill)
            service.launch()
        for service in self.by_name.values():
            service.wait_ready()


class Scene:
    """A crew under traffic, on servers that can be stopped."""

    def __init__(self, servers: Servers, crew: Crew, traffic: Traffic) -> None:
        self.servers, self.crew, self.traffic = servers, crew, traffic

    def settle(self, seconds: float = 90.0) -> float:
        with self.traffic.paused():
            return self.crew.wait_until_equal(seconds)

    def rebalances(self) -> int:
        return sum(item.daemon.log.count("partition.taken") for item in self.crew.consumers)

    def megabytes(self) -> list[float]:
        return [
            psutil.Process(item.daemon.pid).memory_info().rss / 1e6 for item in self.crew.members
        ]


@pytest.fixture(scope="module")
def scene(django_db_blocker: DjangoDbBlocker, folder: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        servers = Servers(folder)
        servers.start(stack)
        settings = isolated_settings(servers.kafka.bootstrap_servers, servers.mongod.uri)
        server, _, _ = servers.database_url.rpartition("/")
        stack.enter_context(captured_into(settings.topic))
        stack.enter_context(isolated_database(settings.group, folder, server))
        create_outbox_log()
        yield from _scene(servers, settings, folder)


def _scene(servers: Servers, settings: CdcSettings, folder: Path) -> Iterator[Scene]:
    crew = Crew(settings, folder, relays=1, consumers=1)
    try:
        crew.wait_until_ready()
        with Watcher(settings.mongodb_uri, settings.mongodb_database) as watcher:
            with Traffic() as traffic:
                # Before the first write both sides are empty and equal.
                wait_until(lambda: traffic.written > 20, "the writers have started")
                yield Scene(servers, crew, traffic)
            crew.wait_until_equal()
        assert watcher.looks > 10
        assert watcher.judge.violations == []
        assert disorder(settings, logged) == []
    finally:
        crew.kill()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_daemons_recover_from_an_outage_alone(scene: Scene, name: str, how: str) -> None:
    scene.settle()
    service = scene.servers.by_name[name]
    crashes, before = len(scene.crew.crashed), scene.megabytes()

    getattr(service, how)()
    time.sleep(OUTAGE_SECONDS)
    service.start()
    back, taken = time.monotonic(), scene.rebalances()
    scene.settle()

    may_exit = name == "kafka"  # Kafka may have forgotten the group's static member.
    if not may_exit:
        assert scene.crew.crashed[crashes:] == []
        growth = [now - then for now, then in zip(scene.megabytes(), before, strict=True)]
        assert max(growth) < _MAX_GROWTH_MEGABYTES
    # Each of the six partitions may be taken over three times. A consumer without CPU time also
    # takes over six partitions in each 6 s.
    allowed = 3 * 6 + (time.monotonic() - back)
    assert scene.rebalances() - taken <= allowed


def ends_in_time(member: Member) -> int:
    """Send SIGTERM and return the exit code. Fail if this takes longer than STOP_SECONDS."""
    began = time.monotonic()
    code = member.daemon.stop()
    assert time.monotonic() - began < STOP_SECONDS, member.daemon.log[-2000:]
    return code


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", OUTAGES)
def test_a_daemon_stops_in_time_during_an_outage(scene: Scene, name: str, how: str) -> None:
    scene.settle()
    for member in scene.crew.members:
        member.daemon.wait_until_stoppable()
    service = scene.servers.by_name[name]
    pid = service.pid
    assert pid is not None
    if how == "dead":
        service.kill()
    else:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(1)  # Each daemon must notice the outage.
        codes = [ends_in_time(member) for member in scene.crew.members]
    finally:
        if how == "dead":
            service.start()
        else:
            os.kill(pid, signal.SIGCONT)

    assert codes == [0, 0]
    scene.settle()


def received_sigterm(pid: int) -> bool:
    """Return whether no SIGTERM is pending. The kernel would merge a second one with it."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = [line.split()[1] for line in status.splitlines() if line[:6] in {"SigPnd", "ShdPnd"}]
    return not any(int(mask, 16) & _SIGTERM_BIT for mask in pending)


def code_after_two_signals(scene: Scene) -> int | None:
    """Send SIGTERM twice to the relay while it waits for the database; return its exit code."""
    scene.settle()
    pid = scene.servers.by_name["database"].pid
    assert pid is not None
    relay = scene.crew.relays[0]
    relay.daemon.wait_until_stoppable()
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.5)
        relay.daemon.signal(signal.SIGTERM)
        wait_until(lambda: received_sigterm(relay.daemon.pid), "the first signal is received")
        relay.daemon.signal(signal.SIGTERM)
        wait_until(lambda: not relay.daemon.alive(), "the relay ends")
    finally:
        os.kill(pid, signal.SIGCONT)

    return relay.daemon.exit_code


def test_a_second_signal_ends_a_daemon_at_once(scene: Scene) -> None:
    # The relay ends with 0 if this process gets no CPU time between the signals: then repeat it.
    code = code_after_two_signals(scene) or code_after_two_signals(scene)
    assert code == 128 + signal.SIGTERM
