"""After a new epoch has begun, the status is unhealthy until a repair has ended."""

from datetime import UTC, datetime

import pytest

from cdc.daemons.continuity import ask_for_relay
from cdc.jobs.kinds import REPAIR
from cdc.jobs.table import Jobs
from cdc.models import Job, JobState, ReconcileRun
from cdc.status.unverified import unverified

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
JOBS = Jobs("default")


def claimed() -> Job:
    ask_for_relay(12, "because")
    job = JOBS.claim("somewhere")
    assert job is not None
    return job


def test_a_requested_repair_is_named_until_it_is_done() -> None:
    assert unverified() == ""
    job = claimed()
    Job.objects.update(state=JobState.WAITING)
    assert f"Job {job.pk} waits for `manage.py run_jobs`" in unverified()
    Job.objects.update(state=JobState.RUNNING)
    assert f"Job {job.pk} is repairing the replica." in unverified()
    assert "the relay began a new epoch on" in unverified()

    JOBS.finish(job, JobState.DONE, "")

    assert unverified() == ""


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_after_a_repair_that_failed_a_reconciliation_clears_it(state: JobState) -> None:
    job = claimed()
    JOBS.finish(job, state, "")
    Job.objects.update(finished_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert f"has ended ({state}): run `manage.py reconcile --repair`." in unverified()

    ReconcileRun.objects.create(
        finished_at=datetime(2026, 1, 1, tzinfo=UTC), equal=True, result="{}"
    )
    assert unverified()
    ReconcileRun.objects.create(
        finished_at=datetime(2026, 1, 3, tzinfo=UTC), equal=True, result="{}"
    )

    assert unverified() == ""


def test_other_repairs_do_not_count() -> None:
    JOBS.ask(REPAIR, {}, "all", "by hand")

    assert unverified() == ""
