"""Under traffic, a kill or a suspension at any fault point does no harm."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.models import DeadLetter, RelayLease
from cdc.mongo.positions import Positions
from cdc.runtime import fault_points
from tests.faults.crew import Crew, Member, wait_until
from tests.faults.topic import disorder
from tests.faults.traffic import Traffic, logged
from tests.faults.watcher import Watcher

pytestmark = [pytest.mark.services, pytest.mark.faults]

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
"""How many times each fault point is tested. Manual runs use more than one."""
# At these points, a consumer stays suspended until another one replaces it after 6 s.
UNTIL_REPLACED = {
    fault_points.REPLICA_MOVED,
    fault_points.REPLICA_DIRECT,
    fault_points.REPLICA_WRITTEN,
    fault_points.CONSUMER_POLLED,
}
SHORT_SECONDS = 2.0


class Scene:
    """A crew under traffic for all tests of the module."""

    def __init__(self, settings: CdcSettings, crew: Crew, traffic: Traffic) -> None:
        self.settings, self.crew, self.traffic = settings, crew, traffic
        # Not a client of the pipeline: it would wait only a second for a server without CPU time.
        self._client = MongoClient[dict[str, Any]](settings.mongodb_uri)
        self._positions = Positions(self._client, settings)
        self._producer = Producer({"bootstrap.servers": settings.bootstrap_servers})

    def strike(self, point: str, action: str) -> Member:
        role = self.crew.relays if point.startswith("relay.") else self.crew.consumers
        provoke = {
            fault_points.CONSUMER_TAKEN: self._move_a_position,
            fault_points.DEAD_LETTER_STORED: self._poison,
        }.get(point, lambda: None)
        return self.crew.strike(role, f"{point}:{action}", provoke)

    def settle(self) -> None:
        """Pause the writers until the table and the collections are equal."""
        with self.traffic.paused():
            self.crew.wait_until_equal()

    def write_on(self) -> None:
        """Wait for 30 more writes."""
        target = self.traffic.written + 30
        wait_until(lambda: self.traffic.written > target, "the writers continue")

    def replaced(self, member: Member) -> Callable[[], bool]:
        """Return a function that checks whether another process has replaced `member`."""
        if member in self.crew.relays:
            return lambda: f":{member.daemon.pid}:" not in RelayLease.objects.get().owner
        return lambda: not any(f"-{member.name}:" in owner for owner in self._owners())

    def _owners(self) -> list[str]:
        self.crew.tend()
        settings = self.settings
        positions = self._client[settings.mongodb_database][settings.positions_collection]
        return [str(item["owner"]) for item in positions.find({"_id.group": self.settings.group})]

    def _move_a_position(self) -> None:
        for source, offset in self._positions.all().items():
            self._positions.move(source, max(offset - 20, 0), "a test")

    def _poison(self) -> None:
        self._producer.produce(self.settings.topic, b"no envelope", b'{"id":1}', partition=0)
        assert self._producer.flush(60) == 0


@pytest.fixture(scope="module")
def scene(module_settings: CdcSettings, module_database: None, folder: Path) -> Iterator[Scene]:
    crew = Crew(module_settings, folder)
    uri, database = module_settings.mongodb_uri, module_settings.mongodb_database
    try:
        crew.wait_until_ready()
        with Watcher(uri, database) as watcher:
            with Traffic() as traffic:
                yield Scene(module_settings, crew, traffic)
            crew.wait_until_equal()
        assert watcher.looks > 10
        assert watcher.judge.violations == []
        assert disorder(module_settings, logged) == []
    finally:
        crew.kill()


def points() -> list[str]:
    return sorted(fault_points.POINTS) * ROUNDS


@pytest.mark.parametrize("point", points())
def test_a_killed_process_loses_nothing(scene: Scene, point: str) -> None:
    scene.write_on()
    victim = scene.strike(point, "kill")

    assert victim.daemon.exit_code == -9
    scene.write_on()
    scene.settle()


@pytest.mark.parametrize("point", points())
def test_a_suspended_process_does_no_harm_when_it_resumes(scene: Scene, point: str) -> None:
    scene.write_on()
    victim = scene.strike(point, "stop")
    try:
        if point in UNTIL_REPLACED or victim in scene.crew.relays:
            wait_until(scene.replaced(victim), f"{victim.name} is replaced")
            scene.settle()
        else:
            time.sleep(SHORT_SECONDS)
        scene.write_on()
    finally:
        victim.daemon.resume()
    scene.write_on()
    scene.settle()


def test_a_bad_message_is_stored_once(scene: Scene) -> None:
    stored = DeadLetter.objects.filter(group=scene.settings.group)
    before = stored.count()
    scene.strike(fault_points.DEAD_LETTER_STORED, "kill")
    scene.settle()

    assert stored.count() == before + 1
