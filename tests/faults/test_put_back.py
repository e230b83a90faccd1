"""Under traffic, the data folder of the database is replaced with an older copy."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import Error, connection
from pytest_django.plugin import DjangoDbBlocker

from cdc.conf import CdcSettings
from cdc.models import DeadLetter, Epoch, Job, JobState, OperatorAction, OutboxRecord
from project.stack.service import Service
from stories.models import Story
from tests.faults.conftest import captured_into
from tests.faults.crew import Crew, wait_until
from tests.faults.databases import isolated_database, server_kind
from tests.faults.traffic import Traffic
from tests.support.databases import DATABASES
from tests.support.processes import Daemon

# SQLite has no server. Its file is replaced in tests/acceptance/test_ids_reused.py.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks]

LOST_SECONDS = float(os.environ.get("FAULT_LOST_SECONDS", "4"))
"""How many seconds of changes are lost. Manual runs use 120."""


class Scene:
    """A crew with two relays under traffic, on a database server that no other test uses."""

    def __init__(self, server: Service, crew: Crew, traffic: Traffic, folder: Path) -> None:
        self.server, self.crew, self.traffic = server, crew, traffic
        self._data, self._copy = server.folder / "data", folder / "data.copy"

    def copy(self) -> None:
        with self.traffic.paused():
            connection.close()
            self.server.stop(60)
            shutil.copytree(self._data, self._copy)
            self.server.start()

    def put_back(self) -> None:
        """Replace the data folder with its copy, while the writers and the daemons keep running."""
        self.server.stop(60)
        shutil.rmtree(self._data)
        self._copy.rename(self._data)
        self.server.start()

    def write_for(self, seconds: float) -> int:
        start, written = time.monotonic(), self.traffic.written
        wait_until(
            lambda: time.monotonic() - start > seconds and self.traffic.written > written + 50,
            "the writers continue",
            seconds + 60,
        )
        return self.traffic.written - written


@pytest.fixture
def scene(
    django_db_blocker: DjangoDbBlocker, feed_settings: CdcSettings, tmp_path: Path
) -> Iterator[Scene]:
    with django_db_blocker.unblock():
        kind = server_kind()
    server = DATABASES[kind].server(tmp_path)
    assert server is not None
    address, _, _ = DATABASES[kind].url(server, tmp_path, "storyfeed").rpartition("/")
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        server.install()
        stack.callback(server.kill)
        server.start()
        stack.enter_context(captured_into(feed_settings.topic))
        stack.enter_context(isolated_database("put_back", tmp_path, address))
        crew = Crew(feed_settings, tmp_path, relays=2, consumers=1)
        stack.callback(crew.kill)
        jobs = Daemon(tmp_path / "jobs.log", crew.environment, "run_jobs")
        stack.callback(jobs.kill)
        crew.wait_until_ready()
        with Traffic() as traffic:
            wait_until(lambda: traffic.written > 20, "the writers have started")
            yield Scene(server, crew, traffic, tmp_path)


def epoch() -> int:
    """Return the epoch, or 0 while the server is down."""
    try:
        return Epoch.objects.get().value
    except Error:
        connection.close()
        return 0


def test_a_new_epoch_begins_and_both_ends_become_equal(scene: Scene) -> None:
    before = epoch()
    # The writers do not touch this story: only a repair can undo its change.
    story = Story.objects.create(pk=1000, title="kept", href="http://a.example/")
    # If the copy contained the outbox row, the relay would publish it again.
    queued = OutboxRecord.objects.filter(key__contains="1000")
    wait_until(lambda: not queued.exists(), "the story is published")
    scene.copy()
    story.title = "lost"
    story.save()
    lost = scene.write_for(LOST_SECONDS)
    # Stalled relays may publish nothing for so long: then no new epoch would begin.
    wait_until(lambda: not queued.exists(), "the lost change is published")

    scene.put_back()
    back = time.monotonic()
    (consumer,) = (member.daemon for member in scene.crew.consumers)
    wait_until(lambda: epoch() > before, "a new epoch", meanwhile=consumer.tend)
    noticed = time.monotonic() - back
    scene.write_for(2)
    repair = Job.objects.filter(state=JobState.DONE)
    wait_until(repair.exists, "the repair", 120, meanwhile=consumer.tend)
    repaired = time.monotonic() - back
    with scene.traffic.paused():
        scene.crew.wait_until_equal(60)

    print(  # noqa: T201 -- the figures of a manual run, shown with -s
        f"{lost} changes of {LOST_SECONDS:.0f} s lost; after the database answered: a new epoch "
        f"after {noticed:.2f} s, repaired after {repaired:.1f} s"
    )
    job = Job.objects.get()
    assert job.asked_by == "relay"
    assert "no differences remain" in job.result
    assert OperatorAction.objects.filter(who="relay", what="new_epoch").count() == 1
    assert not DeadLetter.objects.exists()
