"""Saved stories arrive in three equal collections, on each database."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from cdc.models import DeadLetter
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.stories.importing.digg_rows import digg_like, write_lines

pytestmark = [
    pytest.mark.services,
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def stories_file(tmp_path: Path) -> Path:
    path = tmp_path / "stories.ndjson"
    write_lines(path, *digg_like())
    return path


def test_an_import_edits_and_deletes_arrive(feed: RunningFeed, stories_file: Path) -> None:
    call_command("import_stories", str(stories_file), verbosity=0)
    feed.wait_until_equal()

    story, other = Story.objects.all()[:2]
    story.title = "edited ☃ 😀"
    story.save()
    other.delete()
    Story.objects.filter(media="news").update(diggs=7)
    Story.objects.create(title="new", href="http://example.org/", link="http://example.org/")
    feed.wait_until_equal()

    wait_until_published()
    assert DeadLetter.objects.count() == 0


def _stop_and_start(feed: RunningFeed) -> None:
    feed.relay.wait_for("relay.started")
    feed.consumer.wait_for("partition.taken")
    assert feed.relay.stop() == 0
    assert feed.consumer.stop() == 0
    feed.relay.start()
    feed.consumer.start()


def _kill_relay(feed: RunningFeed) -> None:
    feed.relay.kill()
    feed.relay.start()


def _kill_consumer(feed: RunningFeed) -> None:
    feed.consumer.kill()
    feed.consumer.start()


@pytest.mark.parametrize("disturb", [_stop_and_start, _kill_relay, _kill_consumer])
def test_nothing_is_lost_when_a_daemon_is_stopped(
    feed: RunningFeed, disturb: Callable[[RunningFeed], None]
) -> None:
    for number in range(60):
        story = Story.objects.create(title=f"story {number}", href="http://example.org/")
        if number % 3 == 0:
            Story.objects.filter(pk=story.pk).update(title=f"story {number}, edited")
        if number % 5 == 0:
            story.delete()
        if number in {20, 40}:
            disturb(feed)

    feed.wait_until_equal()


def test_two_consumers_share_the_partitions_and_one_takes_over(
    feed: RunningFeed, tmp_path: Path
) -> None:
    second = feed.consumer_named("two", tmp_path)
    try:
        for number in range(40):
            Story.objects.create(title=f"story {number}", href="http://example.org/")
        feed.wait_until_equal()
        feed.consumer.kill()
        feed.consumer = second  # which is tended from now on
        Story.objects.filter(title__startswith="story").update(diggs=3)
        feed.wait_until_equal()
    finally:
        second.kill()


def test_the_status_counts_rows_documents_and_queued_changes(feed: RunningFeed) -> None:
    for number in range(10):
        Story.objects.create(title=f"story {number}", href="http://example.org/")
    feed.wait_until_equal()
    wait_until_published()
    status = feed.healthy_status()

    assert status["waiting"] == 0
    assert [table["rows"] for table in status["tables"]] == [10]
    assert set(status["tables"][0]["documents"].values()) == {10}
    assert len(status["lags"]) == feed.settings.partitions

    feed.consumer.kill()
    Story.objects.all().delete()
    wait_until_published()
    status = feed.status()
    assert status["waiting"] == 20
    # Kafka may remove the dead member from the group before or after the status is read.
    assert re.match("20 (changes in transit|records in Kafka)", status["verdict"])
