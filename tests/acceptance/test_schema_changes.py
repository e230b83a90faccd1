"""Events that were written before the columns of their model changed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cdc.models import DeadLetter, OutboxRecord
from cdc.runtime.counters import totals
from cdc.runtime.telemetry import CONSUMER_STARTED, DUPLICATE, RELAY_STARTED, STALE
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_reconcile import reconcile
from tests.acceptance.test_rewind import rewind
from tests.acceptance.test_send_to_kafka import replica
from tests.support.commands import wait_until
from tests.support.equality import COLLECTIONS

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]

MANY = 150
"""A consumer stops after fewer dead letters than this number."""
Row = dict[str, Any]


def from_old_code(feed: RunningFeed, change: Callable[[Row], None], count: int = MANY) -> None:
    """Publish inserts of stories as written by older code. `change` edits each row."""
    feed.relay.wait_for(RELAY_STARTED)
    assert feed.relay.stop() == 0
    for number in range(count):
        Story.objects.create(title=f"story {number}", href="http://example.org/")
    for record in OutboxRecord.objects.all():
        row = json.loads(bytes(record.after or b""))
        change(row)
        record.after = json.dumps(row).encode()
        record.save()
    feed.relay.start()


def without(*names: str) -> Callable[[Row], None]:
    def change(row: Row) -> None:
        for name in names:
            del row[name]

    return change


def absorbed() -> int:
    counted = totals("default")
    return counted[STALE] + counted[DUPLICATE]


def wait_until_applied(feed: RunningFeed, count: int = MANY) -> None:
    found = replica(feed)
    feed.wait_until(
        lambda: all(found[name].count_documents({}) == count for name in COLLECTIONS),
        f"{count} documents",
    )


def status_with(feed: RunningFeed, *columns: Row) -> Row:
    """Wait until the status reports exactly these columns, and return it.

    A search for a column has a time limit; until one ends in time, the status reports a doubt.
    """
    found: list[Row] = []

    def reports() -> bool:
        found.append(feed.status())
        return bool(found[-1]["columns"] == list(columns))

    feed.wait_until(reports, f"the columns {columns}")
    return found[-1]


def lacking(name: str) -> Row:
    return {"table": "stories_story", "lacking": [name], "left_over": [], "in_time": True}


def read_again(feed: RunningFeed, count: int = MANY) -> None:
    before = absorbed()
    result = rewind(feed, "--to-earliest")
    assert result.returncode == 0, result.stderr
    feed.wait_until(lambda: absorbed() >= before + count, "the events to be read again")


def repair(feed: RunningFeed) -> None:
    code, result = reconcile(feed, "--repair")
    assert (code, result["equal"]) == (0, True)
    feed.wait_until_equal()
    assert feed.healthy_status()["columns"] == []


def test_old_events_take_the_defaults_of_added_columns(feed: RunningFeed) -> None:
    from_old_code(feed, without("diggs", "media", "container", "thumbnail", "status"))
    feed.wait_until_equal()

    read_again(feed)

    feed.wait_until_equal()
    assert not DeadLetter.objects.exists()
    assert feed.consumer.alive()
    status_with(feed)


def test_a_column_without_a_known_default_is_reported_as_lacking(feed: RunningFeed) -> None:
    from_old_code(feed, without("title"))
    wait_until_applied(feed)
    read_again(feed)

    found = status_with(feed, lacking("title"))
    assert not found["healthy"]
    assert found["verdict"].startswith(
        "Out of sync: documents of stories_story lack the column title. Run `manage.py reconcile"
    )
    code, result = reconcile(feed)
    assert (code, result["different"]) == (1, MANY * len(COLLECTIONS))
    assert feed.status()["columns"], "nothing was repaired"
    repair(feed)
    assert not DeadLetter.objects.exists()


def test_a_renamed_column_never_takes_its_default(feed: RunningFeed) -> None:
    def renamed(row: Row) -> None:
        row["votes"] = row.pop("diggs")

    from_old_code(feed, renamed)
    wait_until_applied(feed)
    read_again(feed)

    status_with(feed, lacking("diggs"))
    assert not any(
        replica(feed)[name].count_documents({"votes": {"$exists": True}}) for name in COLLECTIONS
    )
    repair(feed)
    assert not DeadLetter.objects.exists()


def test_the_value_of_a_removed_column_is_ignored_and_then_removed(feed: RunningFeed) -> None:
    def former(row: Row) -> None:
        row["language"] = "en"

    from_old_code(feed, former)
    feed.wait_until_equal()
    read_again(feed)
    assert not DeadLetter.objects.exists()
    feed.healthy_status()

    # Record that the model had the column when the documents were written.
    found = replica(feed)
    recorded = found["storyfeed_offsets_columns"]
    recorded.update_one(
        {"_id": "stories_story"}, {"$push": {"columns": {"name": "language", "null": False}}}
    )
    found[COLLECTIONS[1]].update_one({}, {"$set": {"language": "en"}})
    verdict = "Out of sync: documents of stories_story still have the column language."
    feed.wait_until(lambda: str(feed.status()["verdict"]).startswith(verdict), "the verdict")
    repair(feed)


def test_null_from_a_formerly_nullable_column_is_no_dead_letter(feed: RunningFeed) -> None:
    def nulls(row: Row) -> None:
        row.update(diggs=None, title=None, promote_date=None)

    from_old_code(feed, nulls)
    wait_until_applied(feed)
    read_again(feed)

    status_with(feed, lacking("title"))
    assert replica(feed)[COLLECTIONS[0]].count_documents({"diggs": 0}) == MANY
    repair(feed)
    assert not DeadLetter.objects.exists()


def test_stale_events_of_another_type_are_skipped(feed: RunningFeed) -> None:
    def other_type(row: Row) -> None:
        row["diggs"] = "many"

    stale = totals("default")[STALE]
    feed.consumer.wait_for(CONSUMER_STARTED)
    assert feed.consumer.stop() == 0
    from_old_code(feed, other_type, count=20)
    wait_until(lambda: not OutboxRecord.objects.exists(), "the old events to be published")
    _apply_newer(feed)

    feed.consumer.start()
    feed.wait_until(
        lambda: totals("default")[STALE] >= stale + 20, "the stale events to be skipped"
    )

    assert not DeadLetter.objects.exists()
    assert feed.consumer.alive()


def _apply_newer(feed: RunningFeed) -> None:
    # Delete markers with a later version make the events stale.
    later = [
        {"_id": key, "_epoch": 2**62, "_version": 1}
        for key in Story.objects.values_list("pk", flat=True)
    ]
    replica(feed)["stories_story_delete_markers"].insert_many(later)
