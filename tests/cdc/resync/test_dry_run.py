"""A dry run with an in-memory replica."""

import pytest

from cdc.registry import registry
from cdc.resync import dry_run as module
from cdc.resync import orphans as orphans_module
from cdc.resync.dry_run import PlannedChanges, dry_run
from cdc.resync.orphans import Orphans
from cdc.resync.selection import Selection
from cdc.testing.feed import MemoryFeed
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
CAPTURE = "stories_story"


def counted(feed: MemoryFeed, *conditions: str) -> tuple[list[PlannedChanges], list[int]]:
    capture, reader = registry.by_table()[CAPTURE], MemoryReader(feed.store)
    steps: list[int] = []
    found = dry_run(
        Selection(capture=capture, conditions=conditions),
        reader,
        Orphans(capture, reader, "default"),
        steps.append,
        lambda: False,
        using="default",
    )
    return found, steps


@pytest.fixture
def feed() -> MemoryFeed:
    feed = MemoryFeed()
    for number in range(5):
        Story.objects.create(title=f"{number}", href="http://a.example/", diggs=number % 2)
    feed.run()
    keys = sorted(feed.documents(CAPTURE))
    del feed.documents(CAPTURE)[keys[0]]
    Story.objects.filter(pk=keys[4])._raw_delete("default")
    return feed


def test_all_rows_are_counted_in_chunks(feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 3)
    found, steps = counted(feed)
    assert [str(each) for each in found] == [
        "stories_story: would insert 1, update 3, remove 1",
        "stories_story_1: would insert 0, update 4, remove 1",
        "stories_story_2: would insert 0, update 4, remove 1",
    ]
    assert steps == [3, 1]


def test_a_partial_selection_removes_nothing(feed: MemoryFeed) -> None:
    found, _ = counted(feed, "diggs=1")
    assert (found[0].insert, found[0].update, found[0].remove) == (0, 2, 0)


def test_a_stopped_count_is_what_was_counted_so_far(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 3)
    monkeypatch.setattr(orphans_module, "CHUNK", 1)
    capture, reader = registry.by_table()[CAPTURE], MemoryReader(feed.store)
    for name in capture.collections:
        feed.documents(name).update({key: {"_id": key} for key in (-1, -2)})
    checks, steps = iter([False, True]), list[int]()

    found = dry_run(
        Selection(capture=capture),
        reader,
        Orphans(capture, reader, "default"),
        steps.append,
        lambda: next(checks, True),
        using="default",
    )

    assert steps == [3]
    assert [(each.insert, each.update, each.remove) for each in found] == [
        (1, 2, 1),
        (0, 3, 1),
        (0, 3, 1),
    ]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_rows_of_the_named_database_are_counted(feed: MemoryFeed) -> None:
    capture, reader = registry.by_table()[CAPTURE], MemoryReader(feed.store)

    found = dry_run(
        Selection(capture=capture),
        reader,
        Orphans(capture, reader, "other"),
        lambda _: None,
        lambda: False,
        using="other",
    )

    assert [(each.insert, each.update, each.remove) for each in found] == [
        (0, 0, 4),
        (0, 0, 5),
        (0, 0, 5),
    ]
