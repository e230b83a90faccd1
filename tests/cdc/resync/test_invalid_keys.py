"""A row whose key no message can contain is reported. The other rows are sent and compared."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models

from cdc.api import CapturedModel
from cdc.capture.images import images_after
from cdc.registry import Capture, registry
from cdc.resync import reconcile as reconcile_module
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison
from cdc.resync.dry_run import PlannedChanges, dry_run
from cdc.resync.orphans import Orphans
from cdc.resync.reconcile import Reconciliation
from cdc.resync.run_context import RunContext
from cdc.resync.selection import Selection
from cdc.resync.snapshot import Snapshot
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from tests.cdc.capture.made import captured, isolated
from tests.support.memory_reader import MemoryReader

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
OVER_64_BITS = 2**63 + 2**12
SQLITE = connection.vendor == "sqlite"
SENTENCE = "Column number contains "


@pytest.fixture
def capture(transactional_db: None) -> Iterator[Capture]:
    """Yield the capture of a model with two valid rows and a row with an invalid key."""
    with isolated():

        class Far(CapturedModel):
            number = models.PositiveBigIntegerField(primary_key=True)

            class Meta(CapturedModel.Meta):
                app_label = "toy"

            def __str__(self) -> str:
                return f"{self.number}"

        with captured(Far):
            Far.objects.bulk_create([Far(number=1), Far(number=2)])
            with connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO toy_far (number) VALUES ({OVER_64_BITS})")
            found = registry.find(Far)
            assert found is not None
            yield found


class Scene:
    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.feed = MemoryFeed()
        self.feed.run()
        self.reader = MemoryReader(self.feed.store)
        self.orphans = Orphans(capture, self.reader, "default")
        self.said: list[str] = []
        self.checks = 1_000

    def context(self) -> RunContext:
        return RunContext(
            clock=FakeClock(), say=self.said.append, advance=lambda _: None, stopped=self._stopped
        )

    def _stopped(self) -> bool:
        self.checks -= 1
        return self.checks < 0

    def reconciliation(self, *, repair: bool) -> Reconciliation:
        return Reconciliation(
            self.capture,
            Comparison(self.capture, self.reader, self.feed.run, using="default"),
            self.orphans,
            CheckpointStore("reconcile", {}, using="default"),
            self.context(),
            repair=repair,
            using="default",
        )

    def stored_key(self) -> Any:
        """Return the key as the database returns it: SQLite stores a floating-point number."""
        return next(iter(images_after(self.capture, 2, 9, models.Q(), using="default")))


@pytest.fixture
def scene(capture: Capture) -> Scene:
    return Scene(capture)


@pytest.mark.parametrize("repair", [False, True])
def test_a_reconciliation_reports_the_row(scene: Scene, *, repair: bool) -> None:
    key = str(scene.stored_key())
    del scene.feed.documents("far")[1]
    run = scene.reconciliation(repair=repair)

    assert run.run()

    assert run.report.rows == 3
    assert run.report.lines() == [f"far: 2 missing: {key}, 1"]
    assert (run.report.repaired, run.report.unrepaired) == ((1, 1) if repair else (0, 0))
    assert len(scene.said) == 1
    assert scene.said[0].startswith(f"toy_far {key}: {SENTENCE}")


@pytest.mark.skipif(SQLITE, reason="SQLite returns a number that it cannot look up again")
def test_a_snapshot_reports_the_row_in_the_same_words(scene: Scene) -> None:
    scene.reconciliation(repair=False).run()
    reported = list(scene.said)
    sending = Snapshot(
        Selection(capture=scene.capture),
        scene.orphans,
        CheckpointStore("send", {}, using="default"),
        scene.context(),
        [],
        using="default",
    )

    assert sending.run()

    assert str(sending.sent) == "2 rows and 0 deletes sent, 1 row refused"
    assert scene.said == reported * 2


def test_a_dry_run_does_not_count_the_row(scene: Scene) -> None:
    del scene.feed.documents("far")[1]
    planned = dry_run(
        Selection(capture=scene.capture),
        scene.reader,
        scene.orphans,
        lambda _: None,
        lambda: False,
        using="default",
    )
    assert planned == [PlannedChanges(collection="far", insert=1, update=1)]


@pytest.mark.parametrize("checks", range(6))
def test_a_stopped_run_reports_the_row_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, checks: int
) -> None:
    monkeypatch.setattr(reconcile_module, "CHUNK", 1)
    scene.checks = checks
    run = scene.reconciliation(repair=False)
    if not run.run():
        scene.checks = 1_000
        run = scene.reconciliation(repair=False)
        assert run.run()

    assert (run.report.rows, run.report.different) == (3, 1)
