"""Orphaned and foreign documents."""

import pytest

from cdc.registry import registry
from cdc.resync import orphans as module
from cdc.resync.orphans import Orphans
from cdc.testing.feed import MemoryFeed
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND = "stories_story", "stories_story_1"


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
