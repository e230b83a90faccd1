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


def test_a_row_that_comes_or_goes_meanwhile_is_compared_by_the_next_run() -> None:
    """The other rows are still compared."""
    feed, keys = MemoryFeed(), [story(str(number)) for number in range(4)]
    feed.run()
    for key in keys:
        feed.documents(SECOND)[key]["title"] = "edited"

    def delete_the_first() -> None:
        Story.objects.filter(pk=keys[0])._raw_delete("default")

    left = comparison(feed, delete_the_first).confirmed(keys, gone=False)
    assert left == [Difference(SECOND, DifferenceKind.STALE, key) for key in keys[1:]]

    def create_it_again() -> None:
        Story(pk=keys[0], title="0", href="http://a.example/").save()

    Story.objects.filter(pk=keys[1])._raw_delete("default")
    gone = comparison(feed, create_it_again).confirmed(keys, gone=True)
    assert gone == [Difference(name, DifferenceKind.EXTRA, keys[1]) for name in COLLECTIONS]


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_document_that_was_written_meanwhile_is_compared_again(written: int) -> None:
    """A write to any one of the collections has this effect."""
    feed, key = MemoryFeed(), story()
    feed.run()
    for name in COLLECTIONS:
        feed.documents(name)[key]["title"] = "edited"
    waits: list[int] = []

    def write() -> None:
        waits.append(1)
        if len(waits) == 1:
            feed.documents(COLLECTIONS[written])[key]["_version"] += 1

    found = comparison(feed, write).confirmed([key], gone=False)

    assert found == [Difference(name, DifferenceKind.STALE, key) for name in COLLECTIONS]
    assert len(waits) == 2


def test_a_document_that_appeared_meanwhile_is_compared_again() -> None:
    feed, key = MemoryFeed(), story()
    feed.run()
    (removed,) = [feed.documents(THIRD).pop(key)]
    waits: list[int] = []

    def put_back() -> None:
        waits.append(1)
        feed.documents(THIRD)[key] = {**removed, "title": "another"}

    found = comparison(feed, put_back).confirmed([key], gone=False)

    assert found == [Difference(THIRD, DifferenceKind.STALE, key)]
    assert len(waits) == 2


def test_nothing_is_waited_for_without_a_difference() -> None:
    feed, key = MemoryFeed(), story()
    feed.run()

    def wait() -> None:
        raise AssertionError("it waited")

    assert comparison(feed, wait).confirmed([key], gone=False) == []
    assert comparison(feed, wait).confirmed([key], gone=True) == []
    assert comparison(feed, wait).confirmed([key + 1], gone=False) == []
    assert comparison(feed, wait).confirmed([key + 1], gone=True) == []


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_rows_of_the_named_database_are_compared() -> None:
    feed, key = MemoryFeed(), story()
    feed.run()
    capture = registry.by_table()["stories_story"]
    other = Comparison(capture, MemoryReader(feed.store), lambda: None, using="other")

    assert other.confirmed([key], gone=False) == []
    assert other.confirmed([key], gone=True) == [
        Difference(name, DifferenceKind.EXTRA, key) for name in COLLECTIONS
    ]
