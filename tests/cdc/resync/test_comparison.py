"""A change in transit is not a difference."""

from collections.abc import Callable

import pytest

from cdc.capture.images import read_images
from cdc.registry import registry
from cdc.resync.comparison import Comparison, Difference, DifferenceKind
from cdc.testing.feed import MemoryFeed
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND, THIRD = COLLECTIONS = ("stories_story", "stories_story_1", "stories_story_2")


def comparison(feed: MemoryFeed, wait: Callable[[], None] | None = None) -> Comparison:
    capture = registry.by_table()["stories_story"]
    return Comparison(capture, MemoryReader(feed.store), wait or feed.run, using="default")


def story(title: str = "a") -> int:
    return int(Story.objects.create(title=title, href="http://a.example/").pk)


def suspects(feed: MemoryFeed, *keys: int) -> list[int]:
    capture = registry.by_table()["stories_story"]
    return comparison(feed).suspects(read_images(capture, keys, using="default"))


def test_each_kind_is_found_in_its_collection() -> None:
    feed, keys = MemoryFeed(), [story(str(number)) for number in range(4)]
    feed.run()
    del feed.documents(FIRST)[keys[0]]
    feed.documents(SECOND)[keys[1]] = {**feed.documents(SECOND)[keys[1]], "title": "edited"}
    del feed.documents(THIRD)[keys[2]]["_version"]
    assert suspects(feed, *keys) == keys[:3]
    assert comparison(feed).confirmed(keys, gone=False) == [
        Difference(FIRST, DifferenceKind.MISSING, keys[0]),
        Difference(SECOND, DifferenceKind.STALE, keys[1]),
        Difference(THIRD, DifferenceKind.STALE, keys[2]),
    ]


def test_a_row_deleted_by_raw_sql_is_extra_everywhere() -> None:
    feed, key = MemoryFeed(), story()
    feed.run()
    Story.objects.filter(pk=key)._raw_delete("default")
    assert comparison(feed).confirmed([key], gone=False) == []
    found = comparison(feed).confirmed([key], gone=True)
    assert found == [Difference(name, DifferenceKind.EXTRA, key) for name in COLLECTIONS]


def test_a_change_in_transit_is_not_a_difference() -> None:
    feed, key = MemoryFeed(), story()
    assert suspects(feed, key) == [key]
    assert comparison(feed).confirmed([key], gone=False) == []


def test_a_row_that_keeps_changing_is_not_reported() -> None:
    feed, key = MemoryFeed(), story()
    feed.run()
    checks: list[int] = []

    def change_and_run() -> None:
        checks.append(1)
        Story.objects.filter(pk=key).update(diggs=2 * len(checks))
        feed.run()
        Story.objects.filter(pk=key).update(diggs=2 * len(checks) + 1)

    Story.objects.filter(pk=key).update(diggs=1)
    assert comparison(feed, change_and_run).confirmed([key], gone=False) == []
    assert len(checks) == 10
