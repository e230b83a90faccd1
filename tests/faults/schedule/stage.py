"""Carries out the steps of a schedule."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from tests.faults.schedule.cast import Cast
from tests.faults.schedule.plan import Fault, Step
from tests.faults.schedule.probe import Probe
from tests.faults.schedule.servers import Server, Servers
from tests.faults.topic import Seen, ends_of, read_topic
from tests.support.commands import Done, manage_patiently
from tests.support.next_version import write_next_version

_SLOW_SECONDS = 0.03
_REWIND = timedelta(seconds=20)
SETTLE_SECONDS = 240.0


class Stage:
    """Strikes the processes of a cast and their servers."""

    def __init__(self, cast: Cast, servers: Servers, probe: Probe) -> None:
        self.cast, self.servers, self._probe = cast, servers, probe
        # A server gets SIGTERM when the thread that started it ends, so the threads are kept.
        self._pool = ThreadPoolExecutor()
        self.refused: list[str] = []
        """The last lines of commands that failed."""
        self._settings = cast.crew.settings
        self._ends: dict[int, int] = {}
        """The ends of the partitions when a partition was added."""

    def run(self, step: Step) -> None:
        """Wait for the step's pause, and carry out its faults. Ended processes are restarted."""
        work = [self._pool.submit(self._strike, fault, step.pause) for fault in step.faults]
        while not all(each.done() for each in work):
            self.cast.tend()
            time.sleep(0.1)
        for each in work:
            each.result()

    def settle(self) -> float:
        """Stop the writers and wait until the table and the collections are equal.

        Call this method while the probe is paused or stopped.
        """
        self.cast.stop_writers()
        return self.cast.crew.wait_until_equal(SETTLE_SECONDS)

    def finish(self) -> None:
        """Settle, and write nothing more."""
        self._probe.stop()
        self.settle()

    def _strike(self, fault: Fault, pause: float) -> None:
        time.sleep(pause)
        match fault.kind:
            case "snapshot":
                self._command("send_to_kafka")
            case "reconcile":
                self._command("reconcile", "--repair")
            case "rewind":
                self._rewind()
            case "rebalance":
                self.cast.rebalance(fault.seconds)
            case "add_partition":
                self._add_partition()
            case "add_column":
                self._add_column()
            case "kill_all":
                self._kill_all(fault)
            case _ if fault.target in self.cast.processes:
                self._strike_process(fault)
            case _:
                _strike_server(self.servers.named(fault.target), fault)

    def _strike_process(self, fault: Fault) -> None:
        daemon = self.cast.processes[fault.target].daemon
        if not daemon.alive():
            return  # It has ended because of an earlier fault, and is about to be restarted.
        if fault.kind == "kill":
            daemon.kill()
            return
        daemon.pause()
        time.sleep(fault.seconds)
        daemon.resume()

    def _kill_all(self, fault: Fault) -> None:
        """Kill all brokers, or all members, before any of them starts again."""
        services = [server.service for server in self.servers.of(fault.target)]
        for service in services:
            service.kill()
        time.sleep(fault.seconds)
        for service in services:
            service.launch()
        for service in services:
            service.wait_ready()

    def _rewind(self) -> None:
        moment = (datetime.now(UTC) - _REWIND).isoformat(timespec="seconds")
        self._command("rewind", "--to-time", moment)

    def _command(self, *arguments: str) -> Done:
        done = manage_patiently(self.cast.crew.environment, *arguments, root=self.cast.crew.root)
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()
            self.refused.append(f"{' '.join(arguments)}: {' '.join(lines[-2:])}")
        return done

    def _add_partition(self) -> None:
        """Add a partition to the drained topic, and restart the daemons, which then use it."""
        with self._probe.paused():
            self.settle()
            self._ends = ends_of(self._settings)
            count = self._settings.partitions + 1
            self._settings = replace(self._settings, partitions=count)
            topic, servers = self._settings.topic, self._settings.bootstrap_servers
            client = AdminClient({"bootstrap.servers": servers})
            client.create_partitions([NewPartitions(topic, count)])[topic].result(60)
            for member in self.cast.crew.members:
                member.daemon.kill()
        self.cast.start_writers()

    def _add_column(self) -> None:
        """Deploy a version with one more column in the documented order, under traffic."""
        crew = self.cast.crew
        crew.root = self.cast.folder / "next"
        write_next_version(crew.root, self._command)
        self.cast.upgrade(crew.consumers)
        self._command("migrate", "stories")
        self.cast.upgrade([*crew.relays, self.cast.web, *self.cast.writers])
        self._command("reconcile", "--repair")

    def records(self) -> list[Seen]:
        """Return the records of the topic. Those from before a partition was added come first."""
        records = read_topic(self._settings, SETTLE_SECONDS)
        return sorted(records, key=lambda item: item.offset >= self._ends.get(item.partition, 0))


def _strike_server(server: Server, fault: Fault) -> None:
    if fault.kind == "kill":
        server.kill(fault.seconds)
    elif fault.kind == "suspend":
        server.suspend(fault.seconds)
    elif fault.kind == "reset":
        server.proxy.reset()
    else:
        if fault.kind == "cut":
            server.proxy.cut()
        else:
            server.proxy.slow(_SLOW_SECONDS)
        time.sleep(fault.seconds)
        server.proxy.restore()
