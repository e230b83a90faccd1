"""A reconciliation of all tables, with Kafka and MongoDB: its result, and the gaps it closes."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.models import Checkpoint, DeadLetter, OutboxRecord, ReconcileRun
from cdc.mongo.client import connect, database, position_id
from cdc.mongo.columns import DocumentColumns
from cdc.mongo.plan import Document
from cdc.mongo.positions import Positions
from cdc.outbox import table
from cdc.registry import Capture, registry
from cdc.resync import reconcile as reconcile_module
from cdc.resync import reconcile_run as module
from cdc.resync.reconcile_run import Reconciler, Result
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from cdc.wire.records import TopicPartition
from stories.models import Story
from tests.cdc.resync.filled_topic import fill
from tests.cdc.resync.mongodb import store
from tests.support.bars import Bars
from tests.support.letters import letter
from tests.support.toy.models import Label

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
NOW = 1_764_000_000.0


class Relay(FakeClock):
    """A pipeline that has applied every change when the barrier looks again."""

    def __init__(self, world: "World") -> None:
        super().__init__(NOW)
        self.world = world

    def sleep(self, seconds: float) -> None:
        super().sleep(5.0)
        # The in-memory pipeline uses the topics of the declarations.
        OutboxRecord.objects.update(topic="story-events")
        if OutboxRecord.objects.exists():
            self.world.feed.run()
            self.world.store()


class World(Bars):
    """Five stories and a label, their replica in MongoDB, and a position at the topic's end."""

    def __init__(self, settings: CdcSettings) -> None:
        super().__init__()
        self.settings = settings
        tables = registry.by_table()
        self.captures = [
            replace(tables[name], topic=settings.topic) for name in ("stories_story", "toy_label")
        ]
        fill(settings, settings.topic, {0: 2})
        self.source = TopicPartition(settings.topic, 0)
        self.feed = MemoryFeed()
        for number in range(5):
            Story.objects.create(title=f"{number}", href="http://a.example/")
        Label.objects.create(text="a")
        self.feed.run()
        self.store()
        self.positions = Positions(connect(settings), settings)
        self.positions.move(self.source, 2, "a test")
        self.columns = DocumentColumns(connect(settings), settings)
        self.clock: Relay = Relay(self)
        self.said: list[str] = []

    def store(self) -> None:
        for capture in self.captures:
            store(self.feed, self.settings, capture)

    def damage(self, number: int) -> None:
        """Delete the documents of a story from MongoDB."""
        key = Story.objects.order_by("id").values_list("id", flat=True)[number]
        for name in self.captures[0].collections:
            replicas = database(connect(self.settings), self.settings)
            assert replicas[name].delete_one({"_id": key}).deleted_count

    def backup(self) -> dict[str, list[Document]]:
        replicas = database(connect(self.settings), self.settings)
        return {name: list(replicas[name].find()) for name in replicas.list_collection_names()}

    def restore(self, backup: Mapping[str, list[Document]]) -> None:
        replicas = database(connect(self.settings), self.settings)
        for name in replicas.list_collection_names():
            replicas[name].delete_many({})
            if backup.get(name):
                replicas[name].insert_many(backup[name])

    def open_gap(self) -> None:
        database(connect(self.settings), self.settings)[
            self.settings.positions_collection
        ].update_one(
            {"_id": position_id(self.settings.group, self.source)},
            {"$set": {"gap.from": 0, "gap.to": 1}, "$currentDate": {"gap.at": True}},
        )

    def reconciler(
        self, *, repair: bool = False, stopped: Callable[[], bool] = lambda: False, task: str = "a"
    ) -> Reconciler:
        return Reconciler(
            self.said.append,
            stopped,
            repair=repair,
            using="default",
            clock=self.clock,
            task=task,
            bar=self.bar,
        )

    def run(self, *, repair: bool = False, restart: bool = False, task: str = "a") -> Result:
        result = self.reconciler(repair=repair, task=task).run(restart=restart)
        assert result is not None
        return result

    def stop_after(self, rows: int, *, repair: bool = False) -> None:
        """Begin a run, and stop it once it has compared `rows` rows."""
        self.bars.clear()
        stopped = self.reconciler(
            repair=repair, stopped=lambda: sum(sum(steps) for _, _, steps in self.bars) >= rows
        )
        assert stopped.run(restart=False) is None

    def recorded(self) -> Mapping[str, list[str]]:
        found = {each.table: self.columns.recorded(each.table) for each in self.captures}
        return {table: sorted(each.columns) for table, each in found.items()}

    def names(self, capture: Capture) -> list[str]:
        return sorted(column.name for column in capture.columns)


@pytest.fixture
def world(feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(reconcile_module, "CHUNK", 2)
    found = World(feed_settings)
    monkeypatch.setattr(module, "cdc_settings", lambda: feed_settings)
    monkeypatch.setattr(module, "registry", found.captures)
    yield found
    connect(feed_settings).drop_database(feed_settings.mongodb_database)


def edit(world: World) -> int:
    """Change a document, and return its key."""
    key = int(min(world.feed.documents("stories_story_1")))
    world.feed.documents("stories_story_1")[key]["title"] = "edited"
    world.store()
    return key


def test_a_sound_replica_is_equal_and_its_gaps_are_closed(world: World) -> None:
    world.open_gap()

    result = world.run()

    assert (result.equal, result.different, result.repair) == (True, 0, False)
    assert [(table.table, table.rows) for table in result.tables] == [
        ("stories_story", 5),
        ("toy_label", 1),
    ]
    assert result.finished_at.timestamp() == NOW
    assert world.positions.gaps() == ()
    assert world.recorded() == {each.table: world.names(each) for each in world.captures}
    assert world.bars == [
        ("Comparing stories_story", 5, [2, 2, 1, 0]),
        ("Comparing toy_label", 1, [1, 0]),
    ]


def test_the_result_is_stored(world: World) -> None:
    edit(world)

    result = world.run()

    (stored,) = ReconcileRun.objects.all()
    assert json.loads(stored.result) == result.as_json()
    assert (stored.equal, stored.finished_at) == (False, result.finished_at)
    world.run(repair=True)
    assert [run.equal for run in ReconcileRun.objects.all()] == [False, True]


def test_a_difference_keeps_the_gaps_open(world: World) -> None:
    letter()
    DeadLetter.objects.update(may_differ=True)
    world.open_gap()
    key = edit(world)

    result = world.run()

    assert result.lines() == [
        f"stories_story_1: 1 stale: {key}",
        "6 rows compared, 1 document differs: run `manage.py reconcile --repair`.",
    ]
    assert len(world.positions.gaps()) == 1
    assert DeadLetter.objects.get().may_differ
    assert world.recorded() == {each.table: [] for each in world.captures}


def test_a_repair_closes_the_gaps_once_it_has_arrived(world: World) -> None:
    world.open_gap()
    edit(world)

    result = world.run(repair=True)

    assert (result.equal, result.verdict) == (
        True,
        "6 rows compared, 1 key repaired: no differences remain.",
    )
    assert result.seconds == pytest.approx(world.clock.now - NOW) != 0
    assert world.positions.gaps() == ()
    assert not OutboxRecord.objects.exists()
    assert world.run().equal


def test_a_consumer_that_is_behind_is_waited_for(world: World) -> None:
    edit(world)
    world.positions.move(world.source, 0, "a test")

    with pytest.raises(Retryable, match=r"Changes queued: 2\. The consumer is not catching up"):
        world.run()

    assert not ReconcileRun.objects.exists()


class Backlog(Relay):
    """A pipeline that applies an old change when the barrier looks again."""

    def sleep(self, seconds: float) -> None:
        if self.world.positions.all()[self.world.source] == 0:
            edit(self.world)
            self.world.positions.move(self.world.source, 2, "a test")
        super().sleep(seconds)


def test_the_changes_that_kafka_contains_are_applied_before_the_comparison(world: World) -> None:
    """After a restore of the database, Kafka may contain changes that the database has lost."""
    world.positions.move(world.source, 0, "a test")
    world.clock = Backlog(world)

    result = world.run(repair=True)

    assert (result.equal, result.different, result.tables[0].repaired) == (True, 1, 1)
    assert world.run().different == 0


def test_a_resumed_run_waits_for_the_changes_that_kafka_contains(world: World) -> None:
    world.stop_after(2)
    world.positions.move(world.source, 0, "a test")

    with pytest.raises(Retryable, match=r"Changes queued: 2\. The consumer is not catching up"):
        world.run()

    world.positions.move(world.source, 2, "a test")
    assert world.run().equal
    assert world.said == ["Resuming stories_story: 2 rows compared so far."]


def test_a_run_that_is_stopped_while_it_waits_has_no_result(world: World) -> None:
    world.positions.move(world.source, 0, "a test")

    assert world.reconciler(stopped=lambda: True).run(restart=False) is None

    assert world.clock.now == NOW
    assert not ReconcileRun.objects.exists()


@pytest.mark.parametrize("rows", [2, 5])
def test_a_resumed_run_closes_no_gap(world: World, rows: int) -> None:
    """It compared some rows earlier, possibly before the gap was found or a letter discarded."""
    world.stop_after(rows)
    assert not ReconcileRun.objects.exists()
    world.open_gap()
    letter()
    DeadLetter.objects.update(may_differ=True)

    result = world.run()

    assert (result.equal, sum(table.rows for table in result.tables)) == (True, 6)
    assert world.said == [
        f"Resuming stories_story: {min(rows, 4) if rows < 5 else 5} rows compared so far."
    ]
    assert len(world.positions.gaps()) == 1
    assert world.recorded() == {each.table: [] for each in world.captures}
    assert DeadLetter.objects.get().may_differ
    assert world.run().equal
    assert world.positions.gaps() == ()
    assert not DeadLetter.objects.get().may_differ


@pytest.mark.parametrize("way", ["restart", "discard", "another task", "a repair"])
def test_a_run_that_does_not_resume_closes_the_gaps(world: World, way: str) -> None:
    world.stop_after(2)
    world.open_gap()
    if way == "discard":
        world.reconciler().discard_checkpoints()
    options: dict[str, dict[str, Any]] = {
        "restart": {"restart": True},
        "another task": {"task": "b"},
        "a repair": {"repair": True},
        "discard": {},
    }

    result = world.run(**options[way])

    assert result.equal
    assert world.said == []
    assert world.positions.gaps() == ()
    assert Checkpoint.objects.exists() is (way in {"another task", "a repair"})


def test_a_run_does_not_skip_a_row_that_another_run_found_to_differ(world: World) -> None:
    world.stop_after(2, repair=True)
    world.damage(1)
    assert not world.run().equal

    result = world.run(repair=True)

    assert (result.equal, result.different, sum(each.repaired for each in result.tables)) == (
        (True, 3, 1)
    )
    assert world.said[-1] == (
        "stories_story: the stopped run is not resumed, because another reconciliation has "
        "finished since."
    )
    assert world.run(restart=True).equal


def test_a_run_does_not_report_a_difference_that_another_run_repaired(world: World) -> None:
    world.damage(1)
    world.stop_after(4)
    assert world.run(repair=True).equal

    result = world.run()

    assert (result.equal, result.different) == (True, 0)


def test_a_run_does_not_skip_a_row_that_it_compared_before_mongodb_was_restored(
    world: World,
) -> None:
    """The positions do not show the restore, because the consumers have caught up since."""
    world.stop_after(2)
    world.damage(0)
    world.damage(1)
    backup = world.backup()
    world.stop_after(4, repair=True)
    world.restore(backup)

    result = world.run(repair=True)

    assert world.said[-1] == (
        "stories_story: the stopped run is not resumed, because MongoDB was restored or replaced "
        "since."
    )
    assert (result.equal, result.tables[0].repaired) == (True, 2)
    assert world.run(restart=True).different == 0


@pytest.mark.parametrize("changed", [{"group": "other"}, {"mongodb_database": "other"}])
def test_a_run_of_another_group_or_replica_does_not_resume(
    world: World, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stop_after(2)
    other = replace(world.settings, **changed)
    monkeypatch.setattr(module, "cdc_settings", lambda: other)

    assert all(world.reconciler()._checkpoint(each).load() is None for each in world.captures)


def another_epoch(world: World) -> None:
    table.begin_epoch(int(world.clock.time() * 1000), using="default")


def another_day(_: World) -> None:
    Checkpoint.objects.update(updated_at=timezone.now() - timedelta(hours=25))


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (another_epoch, "a new epoch has begun since"),
        (another_day, "it was stopped more than a day ago"),
    ],
)
def test_a_run_that_would_be_outdated_is_not_resumed(
    world: World, happens: Callable[[World], None], why: str
) -> None:
    world.stop_after(2)
    happens(world)

    assert sum(each.rows for each in world.run().tables) == 6
    assert world.said == [f"stories_story: the stopped run is not resumed, because {why}."]


def test_a_run_during_which_an_epoch_begins_has_no_result(world: World) -> None:
    """Its first comparisons say nothing about the database of the new epoch."""
    bars = iter(range(3))

    def stopped() -> bool:
        if next(bars, None) == 1:
            another_epoch(world)
        return False

    with pytest.raises(Retryable, match="A new epoch began during the comparison"):
        world.reconciler(stopped=stopped).run(restart=False)

    assert not ReconcileRun.objects.exists()
    assert world.run().equal


def test_a_run_does_not_hide_a_difference_that_another_run_has_found(world: World) -> None:
    """The difference may have come after this run had compared the row."""
    bars = iter(range(3))

    def stopped() -> bool:
        if next(bars, None) == 1:
            world.damage(1)
            assert not world.run(task="another").equal
        return False

    with pytest.raises(Retryable, match="Another reconciliation has found differences"):
        world.reconciler(stopped=stopped).run(restart=False)

    assert not ReconcileRun.objects.latest("id").equal


def test_nothing_is_compared_if_an_epoch_begins_before_the_comparison(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = world.reconciler()
    monkeypatch.setattr(reconciler._barrier, "wait", lambda: another_epoch(world))

    with pytest.raises(Retryable, match="A new epoch began"):
        reconciler.run(restart=False)

    assert world.bars == []


def test_a_letter_that_is_discarded_during_the_run_is_not_settled(world: World) -> None:
    letter()

    def stopped() -> bool:
        DeadLetter.objects.update(may_differ=True)
        return False

    result = world.reconciler(stopped=stopped).run(restart=False)

    assert result is not None
    assert result.equal
    assert DeadLetter.objects.get().may_differ


def test_a_gap_that_opens_during_the_run_stays_open(world: World) -> None:
    steps: list[int] = []

    def stopped() -> bool:
        if not steps:
            world.open_gap()
        steps.append(1)
        return False

    result = world.reconciler(stopped=stopped).run(restart=False)

    assert result is not None
    assert result.equal
    assert len(world.positions.gaps()) == 1
