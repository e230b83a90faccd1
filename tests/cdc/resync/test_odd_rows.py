"""Rows that no message can contain are reported. The other rows are sent and compared."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection

from cdc.registry import registry
from cdc.resync import snapshot as snapshot_module
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison
from cdc.resync.orphans import Orphans
from cdc.resync.reconcile import Reconciliation
from cdc.resync.run_context import RunContext
from cdc.resync.selection import Selection
from cdc.resync.snapshot import Snapshot
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from tests.support.memory_reader import MemoryReader
from tests.support.toy.models import Sample

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
CAPTURE = registry.by_table()["toy_sample"]
SAID = "Column at of toy_sample 2 contains a value that Django cannot read: correct it."


@pytest.fixture
def feed() -> MemoryFeed:
    """Return a feed with three rows. The second row has a time that Python cannot represent."""
    Sample.objects.bulk_create([Sample(number=number) for number in (1, 2, 3)])
    feed = MemoryFeed()
    feed.run()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE toy_sample SET at = '25:00:00' WHERE number = 2")
    return feed


def context(said: list[str]) -> RunContext:
    return RunContext(
        clock=FakeClock(), say=said.append, advance=lambda _: None, stopped=lambda: False
    )


def test_a_snapshot_sends_the_others(feed: MemoryFeed) -> None:
    said: list[str] = []
    sending = Snapshot(
        Selection(capture=CAPTURE),
        Orphans(CAPTURE, MemoryReader(feed.store), "default"),
        CheckpointStore("send", {}, using="default"),
        context(said),
        [],
        using="default",
    )

    assert sending.run()

    assert str(sending.sent) == "2 rows and 0 deletes sent, 1 row refused"
    assert said == [SAID]


def test_a_reconciliation_reports_the_row(feed: MemoryFeed) -> None:
    said: list[str] = []
    reader = MemoryReader(feed.store)
    del feed.documents("samples")[3]
    repairing = Reconciliation(
        CAPTURE,
        Comparison(CAPTURE, reader, feed.run, using="default"),
        Orphans(CAPTURE, reader, "default"),
        CheckpointStore("reconcile", {}, using="default"),
        context(said),
        repair=True,
        using="default",
    )

    assert repairing.run()

    assert (repairing.report.repaired, repairing.report.unrepaired) == (1, 1)
    assert said[0] == SAID
    assert set(feed.documents("samples")) == {1, 2, 3}


def test_a_snapshot_resumed_after_a_refused_row_does_not_try_it_again(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "CHUNK", 1)
    said: list[str] = []
    left = iter(range(2))

    def sending(stopped: Callable[[], bool]) -> Snapshot:
        return Snapshot(
            Selection(capture=CAPTURE),
            Orphans(CAPTURE, MemoryReader(feed.store), "default"),
            CheckpointStore("send", {}, using="default"),
            replace(context(said), stopped=stopped),
            [],
            using="default",
        )

    assert not sending(lambda: next(left, None) is None).run()
    last = sending(lambda: False)
    assert last.run()

    assert str(last.sent) == "2 rows and 0 deletes sent, 1 row refused"
    assert said.count(SAID) == 1
