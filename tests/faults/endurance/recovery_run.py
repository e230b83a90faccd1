"""Kills one process after the other, and measures the recovery. Imported after `django.setup`."""

import json
import os
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.db import DEFAULT_DB_ALIAS

from cdc.outbox.lease import LeaseRow
from tests.faults.crew import Member, wait_until
from tests.faults.endurance.lags import (
    CHANGES_PER_SECOND,
    Lags,
    Probes,
    seconds_until_calm,
)
from tests.faults.endurance.program import show
from tests.faults.schedule.cast import Cast, Size
from tests.faults.schedule.scene import acting, changes_logged, logged_stories
from tests.faults.schedule.servers import KAFKA, MONGODB, Servers
from tests.faults.schedule.stage import SETTLE_SECONDS
from tests.faults.topic import lasting_errors, out_of_order, read_topic

_CALM_SECONDS = 10.0
_LIMIT_SECONDS = 180.0
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The recovery from one SIGKILL."""

    killed: str
    seconds: float
    """The seconds until changes were visible within 1 s again; 0 if no change took longer."""
    longest: float
    """The longest time in seconds from a commit until the change was visible."""
    rate: float
    """Changes per second, from the kill until 10 s after the recovery."""
    load: float

    def __str__(self) -> str:
        return (
            f"{self.killed}: lag under 1 s after {self.seconds:.1f} s, longest lag "
            f"{self.longest:.1f} s, {self.rate:.0f} changes/s, load average {self.load:.1f}"
        )


class Trial:
    """A cast under traffic whose processes and servers are killed."""

    def __init__(self, cast: Cast, servers: Servers, lags: Lags) -> None:
        self._cast, self._servers, self._lags = cast, servers, lags

    def wait_until_calm(self) -> bool:
        """Wait until all replicas are in sync and the lag is low; return False if it stays high."""
        wait_until(self._in_sync, "all replicas are in sync", _LIMIT_SECONDS)
        return self._calm(time.monotonic()) is not None

    def recovery(self, kind: str, number: int) -> Recovery:
        """Kill a process or server, and measure the recovery. A server is then started again."""
        kill, restart, name = self._victim(kind, number)
        self._lags.longest = 0.0
        before, struck_at = changes_logged(), time.monotonic()
        kill()
        seconds = self._calm(struck_at)
        assert seconds is not None, f"no recovery within {_LIMIT_SECONDS:.0f} s of {name}"
        took = time.monotonic() - struck_at
        found = Recovery(
            killed=name,
            seconds=round(seconds, 1),
            longest=round(self._lags.longest, 1),
            rate=round((changes_logged() - before) / took, 1),
            load=round(os.getloadavg()[0], 1),
        )
        restart()
        return found

    def _victim(
        self, kind: str, number: int
    ) -> tuple[Callable[[], object], Callable[[], object], str]:
        """Return how to kill the victim, how to start it again, and its name."""
        crew = self._cast.crew
        if kind == "consumer":
            return _process(crew.consumers[number % len(crew.consumers)])
        if kind == "relay":
            return _process(self._publisher())
        if kind == "broker":
            server = self._servers.of(KAFKA)[number % self._servers.replicas]
        else:
            server = self._servers.named(f"{MONGODB}-primary")
        return server.service.kill, server.service.start, server.name

    def _publisher(self) -> Member:
        owner = LeaseRow(DEFAULT_DB_ALIAS).publisher()
        return next(relay for relay in self._cast.crew.relays if f":{relay.daemon.pid}:" in owner)

    def _calm(self, since: float) -> float | None:
        return seconds_until_calm(self._lags, since, _CALM_SECONDS, self._cast.tend, _LIMIT_SECONDS)

    def _in_sync(self) -> bool:
        settings = self._cast.crew.settings
        client = AdminClient({"bootstrap.servers": settings.bootstrap_servers, "log_level": 0})
        try:
            topic = client.list_topics(settings.topic, timeout=5).topics[settings.topic]
        except KafkaException:
            return False
        return all(len(each.isrs) == self._servers.replicas for each in topic.partitions.values())


def _process(member: Member) -> tuple[Callable[[], object], Callable[[], object], str]:
    # `tend` starts it again at once.
    return member.daemon.kill, lambda: None, member.name


def run(folder: Path, servers: Servers, options: Namespace) -> bool:
    """Measure all recoveries. Return whether the copy and the order of the events are correct."""
    rate = max(options.rate - CHANGES_PER_SECOND, 1)
    size = Size(relays=2, consumers=2, writers=6, rate=rate)
    with acting(folder, servers, _SEED, size) as cast:
        settings = cast.crew.settings
        with Probes(settings.mongodb_uri, settings.mongodb_database) as probes:
            cast.start_writers()
            began = time.monotonic()
            trial = Trial(cast, servers, probes.lags)
            found = _measure(trial, options)
            took = time.monotonic() - began
        cast.stop_writers()
        cast.crew.wait_until_equal(SETTLE_SECONDS)
        wrong = lasting_errors(
            lambda: out_of_order(read_topic(settings, SETTLE_SECONDS), logged_stories())
        )
        records = read_topic(settings, SETTLE_SECONDS)
        restarts = cast.crew.ended
    complete = len(found) == options.rounds * len(options.kinds)
    if not complete:
        show(
            f"This machine is too slow for {options.rate:g} changes/s: {len(records)} were made in "
            f"{took:.0f} s, and the lag stayed above 1 s without a fault."
        )
    for each in [*map(str, found), f"restarts: {restarts}", *wrong]:
        show(each)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=2))
    return complete and not wrong


def _measure(trial: Trial, options: Namespace) -> list[Recovery]:
    """Return the recoveries of all rounds. End early if the lag is high without a fault."""
    found: list[Recovery] = []
    for number, kind in product(range(options.rounds), options.kinds):
        if not trial.wait_until_calm():
            break
        found.append(trial.recovery(kind, number))
        show(f"round {number + 1}, {found[-1]}")
    return found
