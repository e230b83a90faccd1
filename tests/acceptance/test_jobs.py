"""Jobs in the daemon `run_jobs`: a killed job resumes, and a job can be cancelled."""

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from cdc.canary.models import CanaryTrip
from cdc.jobs.kinds import RECONCILE, SNAPSHOT
from cdc.jobs.table import Jobs
from cdc.models import Checkpoint, Job, JobState, OutboxRecord
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.support.processes import Daemon

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
JOBS = Jobs("default")
ROWS = 600


def state(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def slow_snapshot() -> Job:
    """Ask for a snapshot that takes half a minute or more, so that it is seen while it runs."""
    arguments = {"model": "stories.Story", "where": [], "rate": 20}
    return JOBS.ask(SNAPSHOT, arguments, "all", "")


def test_a_killed_snapshot_is_resumed_and_another_is_cancelled(
    feed: RunningFeed, settings: LazySettings
) -> None:
    settings.CDC = feed.settings
    Story.objects.bulk_create(
        [Story(title=f"story {number}", href="http://example.org/") for number in range(ROWS)]
    )
    feed.wait_until_equal()
    daemon = Daemon(feed.folder / "jobs.log", feed.environment, "run_jobs")
    try:
        trips = CanaryTrip.objects.filter(seconds__isnull=False)
        feed.wait_until(trips.exists, "the canary's return")
        feed.relay.kill()  # the sent rows stay in the outbox and can be counted
        job = slow_snapshot()
        feed.wait_until(lambda: state(job).done >= 200, "the first rows")
        daemon.kill()
        daemon.start()
        Job.objects.update(expires_at=Now())  # otherwise the test would wait ten seconds
        feed.wait_until(lambda: state(job).state == JobState.DONE, "the end")
        assert state(job).result == f"stories_story: {ROWS} rows and 0 deletes sent"
        assert state(job).crashes == 1
        assert "Resuming stories_story: " in state(job).said
        assert OutboxRecord.objects.filter(op="r").count() == ROWS

        other = slow_snapshot()
        feed.wait_until(lambda: state(other).state == JobState.RUNNING, "the other's beginning")
        JOBS.cancel(other, "enough")
        feed.wait_until(lambda: state(other).state == JobState.CANCELLED, "the cancelling")
        assert not Checkpoint.objects.exists()

        feed.relay.start()
        compared = JOBS.ask(RECONCILE, {}, "all", "")
        feed.wait_until(lambda: state(compared).state == JobState.DONE, "the comparison")
        assert f"{ROWS} rows compared: every document matches" in state(compared).result
        assert daemon.stop() == 0
    finally:
        if daemon.alive():
            daemon.kill()
