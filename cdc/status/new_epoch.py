"""The status message after the relay has begun a new epoch and until the repair has ended."""

from django.db import DEFAULT_DB_ALIAS

from cdc.models import Job, JobState, ReconcileRun
from cdc.outbox.continuity import ACTOR

_REMEDIES = {
    JobState.WAITING: "waits for `manage.py run_jobs` to repair the replica.",
    JobState.RUNNING: "is repairing the replica.",
}


def unverified() -> str:
    """Return a sentence until the repair that the relay requested is done; otherwise empty.

    After a failed or cancelled repair, a later reconciliation also ends this state.
    """
    job = Job.objects.using(DEFAULT_DB_ALIAS).filter(asked_by=ACTOR).order_by("-id").first()
    if job is None or job.state == JobState.DONE:
        return ""
    if job.finished_at and ReconcileRun.objects.filter(finished_at__gt=job.finished_at).exists():
        return ""
    remedy = _REMEDIES.get(
        JobState(job.state), f"is {job.state}: run `manage.py reconcile --repair`."
    )
    return (
        "The database reused outbox ids, so the relay began a new epoch on "
        f"{job.asked_at.day} {job.asked_at:%b %Y, %H:%M:%S} UTC. Job {job.pk} {remedy}"
    )
