"""Capture, the replica, snapshots and reconciliations work with every type of key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models

from cdc.capture.images import images_after
from cdc.errors import Refused
from cdc.registry import Capture, registry
from cdc.resync import orphans as orphans_module
from cdc.resync import reconcile as reconcile_module
from cdc.resync import snapshot as snapshot_module
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
from tests.support.memory_reader import MemoryReader
from tests.support.toy.models import Box, Hour, Label, Lid, Ticket, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
START = datetime(2010, 3, 16, 20, 36, 41, 7000, UTC)


@dataclass(frozen=True, slots=True)
class Kind:
    model: Any
    key: Callable[[int], Any]
    """Returns the key of a row, given the number of the row."""
    foreign: tuple[Any, ...]
    """Keys that a document can have but a row cannot."""
    change: str = "seat"

    @property
    def capture(self) -> Capture:
        found = registry.find(self.model)
        assert found is not None
        return found

    def make(self, number: int) -> None:
        extra = {"name": f"toy {number}"} if self.model is Toy else {}
        if self.model is Lid:
            Box.objects.create(pk=self.key(number), name="box")
        # create() would read MySQL's LAST_INSERT_ID(), which is never negative.
        self.model.objects.bulk_create([self.model(pk=self.key(number), **extra)])


KINDS = {
    "negative integer": Kind(Toy, lambda n: -(2**62) + n, ("x",), change="place"),
    "text": Kind(Label, lambda n: f"ключ {n}", (7,), change="size"),
    "UUID": Kind(
        Ticket,
        lambda n: UUID(int=n * 2**120 + 5),
        (7, "strange", "00000000000000000000000000000005", str(UUID(int=5)).upper() + "A"),
    ),
    "time": Kind(
        Hour, lambda n: START + timedelta(milliseconds=n), (7, "yesterday", "2010-03-16T20:36:41Z")
    ),
    "one to one": Kind(Lid, lambda n: n + 1, ("x",)),
}


@dataclass(slots=True)
class Scene:
    kind: Kind
    feed: MemoryFeed
    said: list[str]

    @property
    def documents(self) -> dict[Any, Any]:
        return self.feed.documents(self.kind.capture.collections[0])

    def context(self, stopped: Callable[[], bool] = lambda: False) -> RunContext:
        return RunContext(
            clock=FakeClock(), say=self.said.append, advance=lambda _: None, stopped=stopped
        )

    @property
    def reader(self) -> MemoryReader:
        return MemoryReader(self.feed.store)

    @property
    def orphans(self) -> Orphans:
        return Orphans(self.kind.capture, self.reader, "default")

    def snapshot(self, stopped: Callable[[], bool] = lambda: False) -> Snapshot:
        return Snapshot(
            Selection(capture=self.kind.capture),
            self.orphans,
            CheckpointStore("send", {}, using="default"),
            self.context(stopped),
            [],
            using="default",
        )

    def reconciliation(
        self, *, repair: bool, stopped: Callable[[], bool] = lambda: False
    ) -> Reconciliation:
        return Reconciliation(
            self.kind.capture,
            Comparison(self.kind.capture, self.reader, self.feed.run, using="default"),
            self.orphans,
            CheckpointStore("reconcile", {}, using="default"),
            self.context(stopped),
            repair=repair,
            using="default",
        )

    def keys(self) -> list[Any]:
        """Return the keys of the table in the form of the documents."""
        images = images_after(self.kind.capture, None, 100, models.Q(), using="default")
        return [self.kind.capture.key_to_wire(key) for key in images]


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for module in (snapshot_module, reconcile_module, orphans_module):
        monkeypatch.setattr(module, "CHUNK", 2)
    kind, feed = KINDS[request.param], MemoryFeed()
    for number in range(5):
        kind.make(number)
    feed.run()
    return Scene(kind, feed, [])


def test_a_snapshot_sends_each_row_once_and_removes_orphans(scene: Scene) -> None:
    keys = scene.keys()
    assert sorted(scene.documents, key=keys.index) == keys
    _rows(scene).filter(pk=_python(scene, keys[0]))._raw_delete("default")
    scene.documents.update({key: {"_id": key} for key in scene.kind.foreign})
    (planned,) = dry_run(
        Selection(capture=scene.kind.capture),
        scene.reader,
        scene.orphans,
        lambda _: None,
        lambda: False,
        using="default",
    )
    sending = scene.snapshot()

    assert sending.run()

    assert str(sending.sent) == "4 rows and 1 delete sent"
    assert planned == PlannedChanges(
        collection=scene.kind.capture.collections[0], insert=0, update=4, remove=1
    )
    scene.feed.run()
    assert set(scene.documents) == {*keys[1:], *scene.kind.foreign}
    assert len(scene.said) == len(scene.kind.foreign)


def test_a_stopped_snapshot_is_resumed(scene: Scene) -> None:
    checks = iter(range(100))
    first = scene.snapshot(lambda: next(checks) > 1)
    assert not first.run()
    assert 0 < first.sent.rows < 5
    second = scene.snapshot()

    assert second.run()

    assert second.sent.rows == 5


def test_a_reconciliation_repairs_all_and_only_what_differs(scene: Scene) -> None:
    keys, name = scene.keys(), scene.kind.capture.collections[0]
    clean = scene.reconciliation(repair=False)
    assert clean.run()
    assert clean.report.lines() == []
    _rows(scene).filter(pk=_python(scene, keys[0]))._raw_delete("default")
    del scene.documents[keys[1]]
    scene.documents[keys[2]][scene.kind.change] = 77
    stopping = iter(range(100))
    scene.reconciliation(repair=False, stopped=lambda: next(stopping) > 1).run()

    found = scene.reconciliation(repair=False)
    assert found.run()
    assert sorted(found.report.lines()) == sorted(
        [
            f"{name}: 1 missing: {keys[1]}",
            f"{name}: 1 extra: {keys[0]}",
            f"{name}: 1 stale: {keys[2]}",
        ]
    )
    repairing = scene.reconciliation(repair=True)
    assert repairing.run()

    assert (repairing.report.repaired, repairing.report.unrepaired) == (3, 0)
    assert set(scene.documents) == set(keys[1:])
    assert scene.reconciliation(repair=False).run()


def test_rows_are_changed_and_deleted_under_one_key(scene: Scene) -> None:
    keys = scene.keys()
    row = _rows(scene).get(pk=_python(scene, keys[0]))
    setattr(row, scene.kind.change, 5)
    row.save()
    scene.kind.model.objects.filter(pk=_python(scene, keys[1])).update(**{scene.kind.change: 6})
    # The key is text or a number, as from a form or a URL.
    scene.kind.model(pk=keys[2]).delete()
    scene.feed.run()

    assert set(scene.documents) == {*keys} - {keys[2]}
    assert [scene.documents[key][scene.kind.change] for key in keys[:2]] == [5, 6]


def test_keys_that_are_equal_only_for_the_database_stay_one_row() -> None:
    """MySQL's default collation ignores case, but SQLite and Kafka do not."""
    scene = Scene(Kind(Label, str, (), change="size"), MemoryFeed(), [])
    Label.objects.create(text="Orders")
    Label(text="orders", size=2).save()
    scene.feed.run()
    assert set(scene.documents) == set(scene.keys())
    Label.objects.filter(text="Orders").update(text="ORDERS")
    scene.feed.run()
    assert set(scene.documents) == set(scene.keys())
    scene.documents["oRDERS"] = {**scene.documents["ORDERS"], "_id": "oRDERS", "text": "oRDERS"}

    assert scene.reconciliation(repair=True).run()

    assert set(scene.documents) == set(scene.keys())
    Label.objects.get(text="ORDERS").delete()
    Label.objects.filter(text="orders").delete()
    scene.feed.run()
    assert scene.documents == {}


def _rows(scene: Scene) -> Any:
    return models.QuerySet(scene.kind.model)


def _python(scene: Scene, key: Any) -> Any:
    return scene.kind.capture.key_from_wire(key)


@pytest.mark.parametrize("chunk", [1, 2])
def test_a_key_that_is_read_as_null_is_refused_and_not_walked_indefinitely(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    for module in (snapshot_module, reconcile_module, orphans_module):
        monkeypatch.setattr(module, "CHUNK", chunk)
    scene = Scene(KINDS["time"], MemoryFeed(), [])
    for number in range(3):
        scene.kind.make(number)
    with connection.cursor() as cursor:
        odd = "a time" if connection.vendor == "sqlite" else "0000-00-00 00:00:00"
        if connection.vendor == "mysql":
            cursor.execute("SET sql_mode = ''")
        cursor.execute("INSERT INTO toy_hour (at, seat) VALUES (%s, 1)", [odd])
    connection.close()
    checks = iter(range(20))

    with pytest.raises(Refused, match="toy_hour has a row whose key is read as null"):
        scene.snapshot(lambda: next(checks, None) is None).run()
    with pytest.raises(Refused, match="toy_hour has a row whose key is read as null"):
        scene.reconciliation(repair=True).run()
