"""The status messages about documents that may differ from their rows.

They may differ from the start of a new epoch until its repair has ended. After a discard of dead
letters, they may differ until a reconciliation that began after the discard leaves no difference.
"""

from django.db import DEFAULT_DB_ALIAS

from cdc.models import DeadLetter, Job, JobState, ReconcileRun
from cdc.outbox.continuity import ACTOR, EPOCH_ARGUMENT
from cdc.printable import counted

_REMEDIES = {
    JobState.WAITING: "waits for `manage.py run_jobs` to repair the replica.",
    JobState.RUNNING: "is repairing the replica.",
}


def unverified() -> str:
    """Return a message if the repair after a new epoch is not done yet; empty otherwise.

    After a failed or cancelled repair, a later reconciliation also clears this message.
    """
    repairs = Job.objects.using(DEFAULT_DB_ALIAS).filter(
        arguments__startswith=f'{{"{EPOCH_ARGUMENT}"'
    )
    job = repairs.order_by("-id").first()
    if job is None or job.state == JobState.DONE:
        return ""
    runs = ReconcileRun.objects.using(DEFAULT_DB_ALIAS)
    if job.finished_at and runs.filter(finished_at__gt=job.finished_at).exists():
        return ""
    remedy = _REMEDIES.get(
        JobState(job.state), f"has ended ({job.state}): run `manage.py reconcile --repair`."
    )
    began = f"{job.asked_at.day} {job.asked_at:%b %Y, %H:%M:%S} UTC"
    return f"{_cause(job)} on {began}. Job {job.pk} {remedy}"


def discarded() -> str:
    """Return a message if documents may differ since a discard; empty otherwise.

    A reconciliation that began after the discard and leaves no difference clears the message.
    """
    letters = DeadLetter.objects.using(DEFAULT_DB_ALIAS).filter(may_differ=True)
    rows = letters.order_by().values("topic", "table", "key_text").distinct().count()
    if not rows:
        return ""
    return (
        f"The documents of {counted(rows, 'row')} whose dead letters were discarded may differ "
        "from the database: run `manage.py reconcile --repair`."
    )


def _cause(job: Job) -> str:
    if job.asked_by == ACTOR:
        return "The database reused outbox ids, so the relay began a new epoch"
    return f"{job.asked_by} began a new epoch"
