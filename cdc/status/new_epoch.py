"""The status message after a new epoch has begun and until the repair has ended."""

from django.db import DEFAULT_DB_ALIAS

from cdc.models import Job, JobState, ReconcileRun
from cdc.outbox.continuity import ACTOR, EPOCH_ARGUMENT

_REMEDIES = {
    JobState.WAITING: "waits for `manage.py run_jobs` to repair the replica.",
    JobState.RUNNING: "is repairing the replica.",
}


def unverified() -> str:
    """Return a message until the repair after a new epoch is done, then an empty string.

    After a failed or cancelled repair, a later reconciliation also ends this state.
    """
    repairs = Job.objects.using(DEFAULT_DB_ALIAS).filter(
        arguments__startswith=f'{{"{EPOCH_ARGUMENT}"'
    )
    job = repairs.order_by("-id").first()
    if job is None or job.state == JobState.DONE:
        return ""
    if job.finished_at and ReconcileRun.objects.filter(finished_at__gt=job.finished_at).exists():
        return ""
    remedy = _REMEDIES.get(
        JobState(job.state), f"is {job.state}: run `manage.py reconcile --repair`."
    )
    began = f"{job.asked_at.day} {job.asked_at:%b %Y, %H:%M:%S} UTC"
    return f"{_cause(job)} on {began}. Job {job.pk} {remedy}"


def _cause(job: Job) -> str:
    if job.asked_by == ACTOR:
        return "The database reused outbox ids, so the relay began a new epoch"
    return f"{job.asked_by} began a new epoch"
