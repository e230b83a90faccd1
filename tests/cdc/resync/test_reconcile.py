"""A reconciliation over a replica in memory: differences found, repaired, and a resumed run."""

from collections.abc import Callable

import pytest

from cdc.registry import registry
from cdc.resync import reconcile as module
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison
from cdc.resync.orphans import Orphans
from cdc.resync.reconcile import Reconciliation
from cdc.resync.run_context import RunContext
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "stories_story"


def reconciliation(
    feed: MemoryFeed,
    said: list[str],
    *,
    repair: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Reconciliation:
    capture, reader = registry.by_table()[TABLE], MemoryReader(feed.store)
    context = RunContext(
        clock=FakeClock(), say=said.append, advance=lambda _: None, stopped=stopped
    )
    return Reconciliation(
        capture,
        Comparison(capture, reader, feed.run, using="default"),
        Orphans(capture, reader, "default"),
        CheckpointStore("reconcile", {}, using="default"),
        context,
        repair=repair,
        using="default",
    )


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> MemoryFeed:
    monkeypatch.setattr(module, "CHUNK", 2)
    feed = MemoryFeed()
    for number in range(5):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    feed.run()
    return feed


def plant(feed: MemoryFeed) -> list[int]:
    keys = [int(key) for key in sorted(feed.documents(TABLE), key=int)]
    Story.objects.filter(pk=keys[0])._raw_delete("default")
    del feed.documents(TABLE)[keys[1]]
    feed.documents("stories_story_1")[keys[2]]["title"] = "edited"
    return keys


def test_differences_are_reported_and_not_changed(feed: MemoryFeed) -> None:
    keys, said = plant(feed), list[str]()
    comparing = reconciliation(feed, said)
    assert comparing.run()
    assert comparing.report.lines() == [
        f"stories_story: 1 missing: {keys[1]}",
        f"stories_story: 1 extra: {keys[0]}",
        f"stories_story_1: 1 stale: {keys[2]}",
        f"stories_story_1: 1 extra: {keys[0]}",
        f"stories_story_2: 1 extra: {keys[0]}",
    ]
    assert said == []


def test_a_repair_leaves_only_foreign_documents(feed: MemoryFeed) -> None:
    keys, said = plant(feed), list[str]()
    feed.documents(TABLE)["strange"] = {"_id": "strange"}
    repairing = reconciliation(feed, said, repair=True)
    assert repairing.run()
    assert (repairing.report.repaired, repairing.report.unrepaired) == (3, 1)
    assert said == [
        f"{TABLE} holds a document 'strange' that no row can have: remove it by hand.",
    ]
    assert set(feed.documents("stories_story_2")) == set(keys[1:])
    again = reconciliation(feed, said)
    assert again.run()
    assert again.report.lines() == [f"{TABLE}: 1 extra: strange"]


def test_a_stopped_run_is_resumed(feed: MemoryFeed) -> None:
    plant(feed)
    said, checks = list[str](), iter(range(100))
    first = reconciliation(feed, said, stopped=lambda: next(checks) > 3)
    assert not first.run()
    second = reconciliation(feed, said)
    assert second.run()
    assert second.report.different == 5
    assert second.report.rows == 4
    assert said[0].startswith(f"Resuming {TABLE}: ")
