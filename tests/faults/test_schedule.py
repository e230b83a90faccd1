"""A random schedule of faults under traffic, drawn from a seed.

`make faults SEED=n` runs the long form. See docs/faults.md.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from tests.faults.databases import server_kind
from tests.faults.schedule.cast import Size
from tests.faults.schedule.plan import Targets, plan
from tests.faults.schedule.scene import Scene, acting, playing
from tests.faults.schedule.servers import KAFKA, MONGODB, Servers
from tests.faults.traffic import logged

# SQLite has no server that could fail.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks]

SEED = int(os.environ.get("FAULT_SEED") or 1)
"""Fixed by default, so that a new change is not blamed for an error that a new seed finds."""
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


@pytest.fixture
def scene(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        servers = Servers(tmp_path, server_kind(), cluster=CLUSTER, seed=SEED)
        servers.start(stack)
        cast = stack.enter_context(acting(tmp_path, servers, SEED, Size()))
        yield stack.enter_context(playing(cast, servers))


def result(scene: Scene, began: float, faults: int, duplicates: int) -> Result:
    return Result(
        seed=SEED,
        database=server_kind(),
        brokers=scene.servers.replicas,
        faults=faults,
        operations=len(logged()),
        duplicates=duplicates,
        looks=scene.watcher.looks,
        restarts=len(scene.cast.crew.ended),
        longest_recovery=round(scene.delays.longest, 1),
        seconds=round(time.monotonic() - began, 1),
    )


def targets(scene: Scene) -> Targets:
    names = [server.name for server in scene.servers.all]
    if scene.servers.replicas > 1:
        names.append(f"{MONGODB}-primary")
    return Targets([*scene.cast.processes], names, [KAFKA, MONGODB])


def test_the_copy_is_exact_after_a_random_schedule_of_faults(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
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

    wrong, records = scene.judged()
    line = json.dumps(asdict(result(scene, began, done, len(records) - len(logged()))))
    with capsys.disabled():
        print(line, flush=True)  # noqa: T201
    if RESULTS:
        with Path(RESULTS).open("a") as file:
            file.write(f"{line}\n")
    assert wrong == []


def written_enough(scene: Scene) -> None:
    """Let the writers continue until they have committed OPERATIONS changes."""
    connection.close()  # A fault may have broken the connection.
    while len(logged()) < OPERATIONS:
        scene.cast.tend()
        time.sleep(1)
