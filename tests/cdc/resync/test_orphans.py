"""Orphaned and foreign documents."""

from collections.abc import Sequence
from typing import Any

import pytest

from cdc.registry import registry
from cdc.resync import orphans as module
from cdc.resync.orphans import Orphans
from cdc.testing.feed import MemoryFeed
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND, THIRD = "stories_story", "stories_story_1", "stories_story_2"


@pytest.fixture
def feed() -> MemoryFeed:
    feed = MemoryFeed()
    for number in range(4):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    feed.run()
    return feed


def orphans(feed: MemoryFeed) -> Orphans:
    capture = registry.by_table()["stories_story"]
    return Orphans(capture, MemoryReader(feed.store), "default")


def test_they_are_found_chunk_by_chunk(feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 3)
    keys = sorted(feed.documents(FIRST))
    Story.objects.filter(pk=keys[1])._raw_delete("default")
    feed.documents(FIRST).update({"strange": {"_id": "strange"}, "": {"_id": ""}})
    chunks = list(orphans(feed).chunks(FIRST, None))
    assert [chunk.seen for chunk in chunks] == [3, 3]
    assert [key for chunk in chunks for key in chunk.orphans] == [keys[1]]
    assert [key for chunk in chunks for key in chunk.foreign] == ["", "strange"]
    assert list(orphans(feed).chunks(FIRST, chunks[-1].last)) == []


def test_an_orphan_in_two_collections_is_reported_once(feed: MemoryFeed) -> None:
    keys = sorted(feed.documents(FIRST))
    Story.objects.filter(pk__in=keys[:2])._raw_delete("default")
    del feed.documents(FIRST)[keys[0]]
    (once,) = orphans(feed).chunks(SECOND, None)
    (each,) = orphans(feed).chunks(SECOND, None, once=False)
    assert (once.orphans, each.orphans) == ([keys[0]], keys[:2])


@pytest.mark.parametrize(
    ("key", "possible"), [(1, True), (True, False), ("1", False), (None, False)]
)
def test_which_keys_a_row_can_have(key: object, possible: bool) -> None:
    assert orphans(MemoryFeed()).possible(key) is possible


def test_the_chunks_begin_after_the_last_key(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    keys = sorted(feed.documents(FIRST))

    assert [chunk.last for chunk in orphans(feed).chunks(FIRST, None)] == [keys[1], keys[3]]
    assert [chunk.last for chunk in orphans(feed).chunks(FIRST, keys[0])] == [keys[2], keys[3]]
    assert [chunk.seen for chunk in orphans(feed).chunks(FIRST, keys[0])] == [2, 1]


def test_an_orphan_that_is_removed_meanwhile_is_not_reported(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delete that is sent for one collection removes the document from all collections."""
    keys = sorted(feed.documents(FIRST))
    Story.objects.filter(pk__in=keys[:2])._raw_delete("default")
    found = orphans(feed)
    gone = found.gone

    def gone_and_removed(asked: Sequence[Any]) -> set[Any]:
        result = gone(asked)
        del feed.documents(FIRST)[keys[0]]
        return result

    monkeypatch.setattr(found, "gone", gone_and_removed)

    (chunk,) = found.chunks(FIRST, None)

    assert (chunk.orphans, chunk.seen) == ([keys[1]], 4)


def test_orphans_of_each_earlier_collection_are_left_out(feed: MemoryFeed) -> None:
    keys = sorted(feed.documents(FIRST))
    Story.objects.filter(pk__in=keys)._raw_delete("default")
    del feed.documents(FIRST)[keys[0]]
    del feed.documents(FIRST)[keys[1]]
    del feed.documents(SECOND)[keys[0]]
    del feed.documents(SECOND)[keys[2]]

    found = {
        name: [key for chunk in orphans(feed).chunks(name, None) for key in chunk.orphans]
        for name in (FIRST, SECOND, THIRD)
    }

    assert found == {FIRST: keys[2:], SECOND: [keys[1]], THIRD: [keys[0]]}


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_rows_of_the_named_database_are_looked_up(feed: MemoryFeed) -> None:
    capture = registry.by_table()["stories_story"]
    keys = sorted(feed.documents(FIRST))

    assert orphans(feed).gone(keys) == set()
    assert Orphans(capture, MemoryReader(feed.store), "other").gone(keys) == set(keys)


def test_keys_of_an_earlier_collection_are_not_looked_up_again(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = sorted(feed.documents(FIRST))
    del feed.documents(FIRST)[keys[2]]
    found = orphans(feed)
    gone, asked = found.gone, list[Any]()

    def recorded(looked_up: Sequence[Any]) -> set[Any]:
        asked.extend(looked_up)
        return gone(looked_up)

    monkeypatch.setattr(found, "gone", recorded)

    assert [chunk.seen for chunk in found.chunks(SECOND, None)] == [4]
    assert asked == [keys[2]]
