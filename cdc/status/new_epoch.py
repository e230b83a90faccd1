"""The status message after the relay has begun an epoch, until the repair has ended."""

from django.db import DEFAULT_DB_ALIAS

from cdc.models import Job, JobState, ReconcileRun
from cdc.outbox.continuity import ACTOR

_REMEDIES = {
    JobState.WAITING: "waits for `manage.py run_jobs` to compare and repair both ends.",
    JobState.RUNNING: "compares and repairs both ends.",
}


def unverified() -> str:
    """Return a sentence while the repair that the relay requested has not ended; otherwise empty.

    A reconciliation after the end of a failed or cancelled repair counts as well.
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
        "Outbox ids were assigned again, so the relay began a new epoch on "
        f"{job.asked_at.day} {job.asked_at:%b %Y, %H:%M:%S} UTC. Job {job.pk} {remedy}"
    )
