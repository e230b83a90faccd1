"""The cancellation of each kind of job, and what the page that cancels a job says about it."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from django.conf import LazySettings

from cdc.jobs.kinds import COUNT, KINDS, RECONCILE, REPAIR, SNAPSHOT
from cdc.jobs.runner import JobContext, JobRunner
from cdc.jobs.table import Jobs
from cdc.models import Checkpoint, Job, JobState
from cdc.registry import registry
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.reconcile_run import Reconciler
from cdc.resync.report import new_report
from cdc.resync.selection import selections
from cdc.resync.snapshot import Sent
from cdc.resync.snapshot_run import SnapshotRun
from cdc.testing.twins import FakeClock
from tests.support.feed_settings import without_servers

JOBS = Jobs("default")
STOPS = "The job stops after the current chunk of rows."


@pytest.mark.parametrize("kind", [COUNT, RECONCILE])
def test_the_cancel_of_a_job_that_sends_nothing_mentions_no_events(kind: str) -> None:
    assert KINDS[kind].on_cancel == STOPS


@pytest.mark.parametrize("kind", [SNAPSHOT, REPAIR])
def test_the_cancel_of_a_job_that_sends_events_says_that_they_are_harmless(kind: str) -> None:
    assert KINDS[kind].on_cancel == (
        f"{STOPS} Events that were already sent are harmless: each contains a state that its row "
        "really had."
    )


def checkpoints(kind: str, job: Job) -> list[CheckpointStore]:
    """Return the checkpoints of the job."""
    if kind == SNAPSHOT:
        run = SnapshotRun(print, lambda: False, using="default", task=f"job {job.pk}")
        return [run._checkpoint(each) for each in selections(None, [])]
    reconciler = Reconciler(
        print, lambda: False, repair=kind == REPAIR, using="default", task=f"job {job.pk}"
    )
    return [reconciler._checkpoint(each) for each in registry]


def in_the_search_for_orphans(kind: str) -> str:
    """Return the state of a checkpoint at which a job resumes with a query to MongoDB."""
    report = new_report("a", ["a"]).as_json()
    compared = {"place": 0, "last": None, "report": report}
    return json.dumps(asdict(Sent(collection=0)) if kind == SNAPSHOT else compared)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [SNAPSHOT, RECONCILE, REPAIR])
def test_a_cancelled_job_ends_and_leaves_no_checkpoint_although_mongodb_is_down(
    settings: LazySettings, kind: str
) -> None:
    settings.CDC = without_servers(
        bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/"
    )
    job = JOBS.ask(kind, {"model": None, "where": []}, "all models", "")
    for each in checkpoints(kind, job):
        Checkpoint.objects.create(name=each._name, state=in_the_search_for_orphans(kind))

    def run(context: JobContext) -> Any:
        JOBS.cancel(context.job, "enough")
        context.renew()
        return KINDS[kind].run(context)

    assert JobRunner(JOBS, {kind: run}, "one", lambda: False, FakeClock()).run_once()

    assert Job.objects.get().state == JobState.CANCELLED
    assert not Checkpoint.objects.exists()
