"""A random schedule of faults under traffic, drawn from a seed.

`make faults SEED=n` runs the long form. See docs/faults.md.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.crew import database_url
from tests.faults.databases import isolated_database, server_kind
from tests.faults.schedule.cast import Cast
from tests.faults.schedule.plan import Targets, plan
from tests.faults.schedule.probe import Delays, Probe
from tests.faults.schedule.servers import KAFKA, MONGODB, Servers
from tests.faults.schedule.stage import Stage
from tests.faults.topic import out_of_order
from tests.faults.traffic import create_outbox_log, logged
from tests.faults.watcher import Watcher

# SQLite has no server that could fail.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks]

SEED = int(os.environ.get("FAULT_SEED") or 1)
"""The same by default, so that a change is not blamed for what another seed finds."""
FAULTS = int(os.environ.get("FAULT_COUNT", "10"))
OPERATIONS = int(os.environ.get("FAULT_OPERATIONS", "1000"))
CLUSTER = os.environ.get("FAULT_CLUSTER", "") == "yes"
RESULTS = os.environ.get("FAULT_RESULTS", "")
"""A file to which the result is appended as a line of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The figures of one run."""

    seed: int
    database: str
    brokers: int
    faults: int
    operations: int
    """Changes that were committed."""
    duplicates: int
    """Records that the relays have published more than once."""
    looks: int
    """Snapshots of the collections that were checked."""
    restarts: int
    longest_recovery: float
    """The longest time in seconds from a commit until the change was visible."""
    seconds: float


class Scene:
    """A cast under traffic, on servers that may fail."""

    def __init__(self, stage: Stage, watcher: Watcher, delays: Delays) -> None:
        self.stage, self.watcher, self.delays = stage, watcher, delays
        self.servers, self.cast = stage.servers, stage.cast
        self._began = time.monotonic()

    def result(self, faults: int, duplicates: int) -> Result:
        return Result(
            seed=SEED,
            database=server_kind(),
            brokers=self.servers.replicas,
            faults=faults,
            operations=len(logged()),
            duplicates=duplicates,
            looks=self.watcher.looks,
            restarts=len(self.cast.crew.ended),
            longest_recovery=round(self.delays.longest, 1),
            seconds=round(time.monotonic() - self._began, 1),
        )


@pytest.fixture
def scene(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        servers = Servers(tmp_path, cluster=CLUSTER, seed=SEED)
        servers.start(stack)
        settings = isolated_settings(servers.bootstrap_servers, servers.mongodb_uri)
        settings = replace(settings, replication_factor=servers.replicas)
        stack.enter_context(captured_into(settings.topic))
        stack.enter_context(isolated_database(settings.group, tmp_path, servers.server_url))
        create_outbox_log()
        environment = {
            "DATABASE_URL": servers.through_proxy(database_url()),
            "KAFKA_REPLICATION_FACTOR": str(servers.replicas),
        }
        cast = Cast(settings, tmp_path, environment, SEED)
        stack.callback(cast.end)
        cast.crew.wait_until_ready()
        delays = Delays()
        watcher = Watcher(settings.mongodb_uri, settings.mongodb_database, delays)
        with watcher, Probe(delays) as probe:
            yield Scene(Stage(cast, servers, probe), watcher, delays)


def targets(scene: Scene) -> Targets:
    names = [server.name for server in scene.servers.all]
    if scene.servers.replicas > 1:
        names.append(f"{MONGODB}-primary")
    return Targets([*scene.cast.processes], names, [KAFKA, MONGODB])


def test_the_copy_is_exact_after_a_random_schedule_of_faults(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = plan(SEED, FAULTS, targets(scene))
    scene.cast.start_writers()
    done = 0
    for step in steps:
        with capsys.disabled():
            print(f"seed {SEED}, fault {done + 1} of {FAULTS}, {step}", flush=True)  # noqa: T201
        scene.stage.run(step)
        done += len(step.faults)
    written_enough(scene)
    scene.stage.finish()

    records = scene.stage.records()
    result = scene.result(done, len(records) - len(logged()))
    with capsys.disabled():
        print(json.dumps(asdict(result)), flush=True)  # noqa: T201
    if RESULTS:
        with Path(RESULTS).open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
    assert scene.delays.violations == []
    assert out_of_order(records, logged()) == []
    # SIGTERM ends a writer that has not installed its handler yet.
    assert set(scene.cast.writer_codes) <= {0, -signal.SIGTERM}
    assert scene.stage.refused == []


def written_enough(scene: Scene) -> None:
    """Let the writers continue until they have committed OPERATIONS changes."""
    connection.close()  # A fault may have broken the connection.
    while len(logged()) < OPERATIONS:
        scene.cast.tend()
        time.sleep(1)
