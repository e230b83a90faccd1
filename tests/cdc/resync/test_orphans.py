"""Documents whose row is gone, and those that no row can have."""

import pytest

from cdc.registry import registry
from cdc.resync import orphans as leftovers
from cdc.resync.orphans import Leftovers
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


def looking(feed: MemoryFeed) -> Leftovers:
    capture = registry.by_table()["stories_story"]
    return Leftovers(capture, MemoryReader(feed.store), "default")


def test_they_are_found_chunk_by_chunk(feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "CHUNK", 3)
    keys = sorted(feed.documents(FIRST))
    Story.objects.filter(pk=keys[1])._raw_delete("default")
    feed.documents(FIRST).update({"strange": {"_id": "strange"}, "": {"_id": ""}})
    chunks = list(looking(feed).chunks(FIRST, None))
    assert [chunk.seen for chunk in chunks] == [3, 3]
    assert [key for chunk in chunks for key in chunk.leftovers] == [keys[1]]
    assert [key for chunk in chunks for key in chunk.foreign] == ["", "strange"]
    assert list(looking(feed).chunks(FIRST, chunks[-1].last)) == []


def test_one_that_an_earlier_collection_has_too_is_told_once(feed: MemoryFeed) -> None:
    keys = sorted(feed.documents(FIRST))
    Story.objects.filter(pk__in=keys[:2])._raw_delete("default")
    del feed.documents(FIRST)[keys[0]]
    (once,) = looking(feed).chunks(SECOND, None)
    (each,) = looking(feed).chunks(SECOND, None, once=False)
    assert (once.leftovers, each.leftovers) == ([keys[0]], keys[:2])


@pytest.mark.parametrize(
    ("key", "possible"), [(1, True), (True, False), ("1", False), (None, False)]
)
def test_what_a_row_can_have(key: object, possible: bool) -> None:
    assert looking(MemoryFeed()).possible(key) is possible
