"""Reconciliation finds and repairs every difference. It does not report changes in transit."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bson import DatetimeMS, Regex
from django.db import connection
from pymongo import MongoClient

from cdc.consumer.source_rows import source_epoch
from cdc.kafka.publisher import KafkaPublisher
from cdc.models import Checkpoint, ReconcileRun
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_send_to_kafka import insert_raw, replica, versions
from tests.acceptance.writers import Writers
from tests.support.builders import change, outgoing
from tests.support.commands import manage_patiently
from tests.support.equality import COLLECTIONS

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]

EACH = 50
ROWS = 600


def reconcile(
    feed: RunningFeed, *arguments: str, meanwhile: Callable[[], object] | None = None
) -> tuple[int, dict[str, Any]]:
    """Run the command, which waits for the consumer. Meanwhile, tend the consumer."""
    command = ("reconcile", "--json", *arguments)
    done = manage_patiently(feed.environment, *command, meanwhile=meanwhile or feed.tend)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def filled(feed: RunningFeed, rows: int = ROWS) -> list[int]:
    insert_raw(rows)
    assert manage_patiently(feed.environment, "send_to_kafka").returncode == 0
    feed.wait_until_equal()
    return list(range(1, rows + 1))


def plant(feed: RunningFeed, keys: list[int]) -> dict[str, dict[str, list[int]]]:
    """Create EACH differences of every kind. Return their keys by collection and kind."""
    parts = [keys[start * EACH : (start + 1) * EACH] for start in range(7)]
    changed, deleted, inserted, gone, edited, typed, unversioned = parts
    database = replica(feed)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE stories_story SET diggs = 77 WHERE id IN {tuple(changed)}")
        cursor.execute(f"DELETE FROM stories_story WHERE id IN {tuple(deleted)}")
    for name in COLLECTIONS:
        database[name].delete_many({"_id": {"$in": inserted}})
    database[COLLECTIONS[0]].delete_many({"_id": {"$in": gone}})
    database[COLLECTIONS[0]].update_many({"_id": {"$in": edited}}, {"$set": {"title": "x"}})
    database[COLLECTIONS[1]].update_many({"_id": {"$in": typed}}, {"$set": {"diggs": 0.0}})
    far = {"submit_date": DatetimeMS(400_000_000_000_000), "title": Regex("("), "_version": "1"}
    database[COLLECTIONS[1]].update_many({"_id": {"$in": typed[:9]}}, {"$set": far})
    database[COLLECTIONS[2]].update_many({"_id": {"$in": unversioned}}, {"$unset": {"_version": 1}})
    strange = list(range(10**6, 10**6 + EACH))
    database[COLLECTIONS[2]].insert_many([{"_id": key, "title": "strange"} for key in strange])
    return {
        COLLECTIONS[0]: {
            "missing": sorted(inserted + gone),
            "stale": sorted(changed + edited),
            "extra": deleted,
        },
        COLLECTIONS[1]: {
            "missing": inserted,
            "stale": sorted(changed + typed),
            "extra": deleted,
        },
        COLLECTIONS[2]: {
            "missing": inserted,
            "stale": sorted(changed + unversioned),
            "extra": sorted(deleted + strange),
        },
    }


def found(result: dict[str, Any]) -> dict[str, dict[str, list[int]]]:
    (table,) = result["tables"]
    return {
        each["collection"]: {
            kind: sorted(each[kind]["keys"]) for kind in ("missing", "stale", "extra")
        }
        for each in table["collections"]
    }


def test_every_difference_is_repaired_and_nothing_else_is_written(
    feed: RunningFeed,
) -> None:
    keys = filled(feed)
    planted = plant(feed, keys)
    untouched = keys[7 * EACH :]
    database = replica(feed)
    before = {name: versions_of(database, name, untouched) for name in COLLECTIONS}

    code, result = reconcile(feed)
    assert (code, found(result)) == (1, planted)
    code, result = reconcile(feed, "--repair")
    assert (code, found(result)) == (0, planted)
    (table,) = result["tables"]
    assert (table["repaired"], table["unrepaired"]) == (8 * EACH, 0)

    feed.wait_until_equal()
    assert {name: versions_of(database, name, untouched) for name in COLLECTIONS} == before
    code, result = reconcile(feed)
    assert (code, result["different"], result["equal"]) == (0, 0, True)
    assert [run.equal for run in ReconcileRun.objects.all()] == [False, True, True]
    assert Checkpoint.objects.count() == 0


def versions_of(database: Any, name: str, keys: list[int]) -> dict[int, tuple[int, int]]:
    held = versions(database, name)
    return {key: held[key] for key in keys}


def test_changes_in_transit_are_not_reported(feed: RunningFeed) -> None:
    filled(feed, 1500)
    with Writers():
        for _ in range(3):
            code, result = reconcile(feed)
            assert (code, found(result)) == (0, dict.fromkeys(COLLECTIONS, NOTHING))


NOTHING: dict[str, list[int]] = {"missing": [], "stale": [], "extra": []}


def test_a_new_collection_is_filled(feed: RunningFeed) -> None:
    keys = filled(feed, 300)
    names = ",".join([*COLLECTIONS, "stories_story_3"])
    feed.environment["REPLICA_COLLECTIONS"] = names
    assert feed.consumer.stop() == 0
    consumer = feed.consumer_named("wider", feed.folder)
    try:
        consumer.wait_for("partition.taken")
        code, result = reconcile(feed, "--repair", meanwhile=consumer.tend)
    finally:
        consumer.kill()

    assert code == 0, result
    assert found(result)["stories_story_3"] == {**NOTHING, "missing": keys}
    assert all(found(result)[name] == NOTHING for name in COLLECTIONS)
    client: MongoClient[dict[str, Any]] = MongoClient(feed.settings.mongodb_uri)
    database = client[feed.settings.mongodb_database]
    strip = {"_epoch": 0, "_version": 0}
    contents = [list(database[name].find({}, strip).sort("_id")) for name in names.split(",")]
    assert len(contents[0]) == 300
    assert all(content == contents[0] for content in contents)
    feed.wait_until_equal()


def test_a_document_of_a_later_version_is_reported_as_unrepaired(feed: RunningFeed) -> None:
    story = Story.objects.create(title="a story", href="http://example.org/")
    feed.wait_until_equal()
    change = {"$set": {"title": "x", "_version": 2**62}}
    replica(feed)[COLLECTIONS[0]].update_one({"_id": story.pk}, change)

    done = manage_patiently(feed.environment, "reconcile", "--repair", meanwhile=feed.tend)

    assert done.returncode == 1
    assert f"stories_story {story.pk} still differs after the repair" in done.stderr
    assert "new_epoch" in done.stderr


def test_a_new_epoch_repairs_a_forged_version(feed: RunningFeed) -> None:
    filled(feed, 3)
    forged = change("u", 1, 10**15, epoch=source_epoch(using="default"), title="forged")
    forged = replace(forged, ts_ms=1_764_000_000_000)
    publisher = KafkaPublisher(feed.settings)
    assert publisher.publish([outgoing(forged, feed.settings.topic)], lambda: True) == {}
    publisher.close()
    documents = replica(feed)[COLLECTIONS[0]]
    feed.wait_until(lambda: title_of(documents) == "forged", "the forged change to be applied")
    story = Story.objects.get(pk=1)
    story.title = "ours"
    story.save()

    code, result = reconcile(feed, "--repair")
    (table,) = result["tables"]
    assert (code, table["repaired"], table["unrepaired"]) == (1, 0, 1)
    assert manage_patiently(feed.environment, "new_epoch").returncode == 0
    assert reconcile(feed, "--repair")[0] == 0
    feed.wait_until_equal()
    assert title_of(documents) == "ours"


def title_of(documents: Any) -> str:
    return str(documents.find_one({"_id": 1})["title"])
