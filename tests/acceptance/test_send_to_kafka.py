"""Snapshots with real processes: killed and resumed, as a dry run, and with a condition."""

import os
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pymongo import MongoClient

from cdc.models import Checkpoint, OutboxRecord
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.acceptance.writers import Writers
from tests.support.commands import manage, manage_patiently, wait_until
from tests.support.equality import COLLECTIONS
from tests.support.processes import Daemon

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]

Versions = dict[int, tuple[int, int]]
ROWS = int(os.environ.get("SNAPSHOT_ROWS", "3000"))


def insert_raw(count: int) -> None:
    """Insert stories by SQL, so that they are not captured."""
    columns = Story._meta.concrete_fields
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in columns)
    marks = ", ".join(["%s"] * len(columns))
    statement = f"INSERT INTO stories_story ({names}) VALUES ({marks})"
    with connection.cursor() as cursor:
        for start in range(1, count + 1, 1000):
            stories = [
                Story(pk=number, title=f"story {number}", href="http://example.org/")
                for number in range(start, min(start + 1000, count + 1))
            ]
            cursor.executemany(
                statement,
                [
                    [
                        field.get_db_prep_save(getattr(story, field.attname), connection)
                        for field in columns
                    ]
                    for story in stories
                ],
            )


def replica(feed: RunningFeed) -> Any:
    return MongoClient(feed.settings.mongodb_uri)[feed.settings.mongodb_database]


def last_key() -> int:
    states = Checkpoint.objects.values_list("state", flat=True)
    found = [re.search(r'"last": (\d+)', state) for state in states]
    return max((int(match.group(1)) for match in found if match), default=0)


def passed(key: float) -> bool:
    return last_key() > key


def test_a_snapshot_survives_two_kills_and_writers(feed: RunningFeed, tmp_path: Path) -> None:
    insert_raw(ROWS)
    log = tmp_path / "send.log"
    # At this rate, the command needs half a minute, so that it cannot end before it is killed.
    slowly = ("send_to_kafka", "--rate", str(ROWS / 30))

    with Writers():
        sending = Daemon(log, feed.environment, *slowly)
        wait_until(partial(passed, ROWS * 0.2), "20% of the rows")
        sending.kill()
        sending.start()
        sending.wait_for("Resuming stories_story: ")
        wait_until(partial(passed, ROWS * 0.5), "50% of the rows")
        sending.kill()
        last = Daemon(log, feed.environment, "send_to_kafka")
        try:
            assert last.wait(300) == 0, last.log
        finally:
            last.kill()

    assert "Resuming stories_story: " in last.current_log
    sent_all = r"(?m)^stories_story: [\d,]+ rows and [\d,]+ deletes? sent$"
    assert re.search(sent_all, last.current_log), last.log
    assert Checkpoint.objects.count() == 0
    feed.wait_until_equal(120)
    rows = replica(feed)["stories_history"].find({"op": "r"}, {"key": 1})
    sent = Counter(document["key"] for document in rows)
    # A chunk and its checkpoint are one transaction, so no row is sent twice after a kill.
    assert set(sent.values()) == {1}
    assert len(sent) > ROWS * 0.8


def test_a_dry_run_predicts_the_run(feed: RunningFeed) -> None:
    for number in range(12):
        Story.objects.create(title=f"story {number}", href="http://example.org/")
    feed.wait_until_equal()
    wait_until_published()
    database = replica(feed)
    keys = list(Story.objects.order_by("pk").values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM stories_story WHERE id IN ({keys[0]}, {keys[1]})")
    for name in COLLECTIONS:
        database[name].delete_many({"_id": {"$in": keys[2:5]}})
    before = {name: versions(database, name) for name in COLLECTIONS}

    dry = manage_patiently(feed.environment, "send_to_kafka", "--dry-run")
    assert not OutboxRecord.objects.exists()
    run = manage_patiently(feed.environment, "send_to_kafka")
    feed.wait_until_equal()

    assert (dry.returncode, run.returncode) == (0, 0), dry.stderr + run.stderr
    assert run.stdout.strip() == "stories_story: 10 rows and 2 deletes sent"
    for name in COLLECTIONS:
        assert f"{name}: would insert 3, update 7, remove 2" in dry.stdout.splitlines()
        # An update with the same content changes only the version, so equality may come earlier.
        feed.wait_until(partial(has_updates, database, name, before[name], 7), "seven updates")
        after = versions(database, name)
        assert len(after.keys() - before[name].keys()) == 3
        assert len(before[name].keys() - after.keys()) == 2


def has_updates(database: Any, name: str, before: Versions, count: int) -> bool:
    after = versions(database, name)
    return count == sum(after[key] > before[key] for key in after.keys() & before.keys())


def versions(database: Any, name: str) -> Versions:
    return {
        document["_id"]: (document["_epoch"], document["_version"])
        for document in database[name].find(
            {"_version": {"$exists": True}}, {"_epoch": 1, "_version": 1}
        )
    }


def test_where_sends_matching_rows_and_removes_nothing(feed: RunningFeed) -> None:
    for number in range(6):
        Story.objects.create(title="a story", href="http://example.org/", diggs=number % 2)
    feed.wait_until_equal()
    replica(feed)["stories_story"].insert_one({"_id": 999_999})
    arguments = ("send_to_kafka", "--where", "diggs=1", "title=a story")

    dry = manage_patiently(feed.environment, *arguments, "--dry-run")
    run = manage_patiently(feed.environment, *arguments)

    assert "stories_story: would insert 0, update 3, remove 0" in dry.stdout
    assert "3 rows and 0 deletes sent" in run.stdout
    assert replica(feed)["stories_story"].find_one({"_id": 999_999}) == {"_id": 999_999}


def test_a_wrong_condition_is_one_message_and_exit_code_2(feed: RunningFeed) -> None:
    done = manage(feed.environment, "send_to_kafka", "--where", "nope=1")

    assert done.returncode == 2
    assert "--where names 'nope', but Story has no such field" in done.stderr
    assert "Traceback" not in done.stderr
