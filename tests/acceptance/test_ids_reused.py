"""Reused outbox ids are detected, and table and collections become equal without intervention."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings

from cdc.conf import CdcSettings
from cdc.jobs.kinds import REPAIR
from cdc.models import DeadLetter, Job, JobState, OperatorAction
from cdc.outbox import table as outbox
from cdc.read_your_writes import wait_until_applied
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.acceptance.test_own_writes import titles
from tests.support.feed_settings import LONG_SESSION
from tests.support.outbox_ids import truncate
from tests.support.processes import Daemon
from tests.support.put_back import DatabaseCopy

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def feed_settings(feed_settings: CdcSettings) -> CdcSettings:
    """Keep the consumer in its group: nothing can restart it while the test's process waits."""
    return replace(feed_settings, kafka_config=LONG_SESSION)


@pytest.fixture
def here(feed: RunningFeed, settings: LazySettings) -> RunningFeed:
    settings.CDC = feed.settings
    feed.consumer.wait_for("partition.taken")
    return feed


@pytest.fixture
def jobs(here: RunningFeed) -> Iterator[Daemon]:
    daemon = Daemon(here.folder / "jobs.log", here.environment, "run_jobs")
    yield daemon
    daemon.kill()


def epoch() -> int:
    return outbox.current_epoch(using="default") or 0


def story(title: str) -> Story:
    return Story.objects.create(title=title, href="http://example.org/")


def rename(story: Story, title: str) -> None:
    story.title = title
    story.save()


def test_a_database_put_back_under_the_running_feed_ends_equal(
    here: RunningFeed, jobs: Daemon, tmp_path: Path
) -> None:
    kept, changed, deleted = story("kept"), story("changed"), story("deleted")
    here.wait_until_equal()
    copy = DatabaseCopy(tmp_path)
    for number in range(20):
        story(f"lost {number}")
        rename(changed, f"lost change {number}")
    key = deleted.pk
    deleted.delete()
    here.wait_until_equal()
    before, again = epoch(), Story(title="x", href="http://example.org/")

    copy.put_back()
    again.save()
    rename(kept, "after")
    here.relay.wait_for("outbox.ids_reused")
    here.wait_until(lambda: Job.objects.filter(state=JobState.DONE).exists(), "the repair", 120)
    here.wait_until_equal(120)

    assert epoch() > before
    job = Job.objects.get()
    assert (job.kind, job.asked_by) == (REPAIR, "relay")
    assert "no differences remain" in job.result
    assert OperatorAction.objects.filter(who="relay", what="new_epoch").count() == 1
    assert titles(here, changed.pk) == ["changed"] * 3
    assert titles(here, kept.pk) == ["after"] * 3
    assert titles(here, key) == ["deleted"] * 3
    wait_until_published()
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("later", [1, 3, 7], ids=["lower", "equal", "higher"])
def test_a_wait_for_a_reused_version_is_not_satisfied_by_the_lost_change(
    here: RunningFeed, later: int
) -> None:
    """The replica has version 3 of the story when the ids start again from 1."""
    truncate()
    changed = story("first")
    for number in range(2):
        rename(changed, f"lost {number}")
    assert wait_until_applied(changed, 60)
    here.relay.kill()
    truncate()
    for number in range(later):
        rename(changed, f"new {number}")

    assert not wait_until_applied(changed, 0.3)

    here.relay.start()
    assert wait_until_applied(changed, 60)
    assert titles(here, changed.pk) == [f"new {later - 1}"] * 3


def test_a_wait_for_a_delete_under_a_reused_version(here: RunningFeed) -> None:
    truncate()
    kept, deleted = story("kept"), story("deleted")
    rename(deleted, "lost")
    assert wait_until_applied(deleted, 60)
    here.relay.kill()
    truncate()
    rename(kept, "new")
    key = deleted.pk
    deleted.delete()

    assert not wait_until_applied(deleted, 0.3)

    here.relay.start()
    assert wait_until_applied(deleted, 60)
    assert titles(here, key) == [None] * 3
