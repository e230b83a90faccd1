"""The job table: long-running work that pages, the relay or `new_epoch` request.

Each job is run by at most one process at a time.

The process that runs a job has a lease on the row of the job. A process that has lost the lease can
no longer write to the row. If a process is killed, the next process resumes the job at the job's
checkpoint.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from cdc.context import current_actor
from cdc.errors import Refused
from cdc.models import Epoch, Job, JobState
from cdc.operator_log import log_action
from cdc.runtime import leases
from cdc.runtime.database import DatabaseNow

LEASE_SECONDS = 10.0
MOST_CRASHES = 10
"""The maximum number of crashes of a job. After one more crash, the job fails."""
SAID_LIMIT = 20_000
"""The maximum number of characters of a job's messages; older characters are removed."""
_RESULT_LIMIT = 200_000
"""The maximum number of characters of a job's result, which must fit into a statement."""
_UNFINISHED = (JobState.WAITING, JobState.RUNNING)


class Jobs:
    """The jobs of one database."""

    def __init__(self, using: str) -> None:
        self.using = using

    def ask(self, kind: str, arguments: Mapping[str, Any], target: str, why: str) -> Job:
        """Add a job and log the request. Raise Refused if a job of this kind is unfinished."""
        with transaction.atomic(using=self.using):
            self._wait_for_other_requests()
            other = self._rows().filter(kind=kind, state__in=_UNFINISHED).first()
            if other is not None:
                raise Refused(
                    f"Another job of this kind is {other.state} (job {other.pk}): wait until that "
                    "job ends."
                )
            job = self._rows().create(
                kind=kind, arguments=json.dumps(dict(arguments)), asked_by=current_actor()
            )
            log_action(kind, f"job {job.pk}: {target}", why, using=self.using)
        return job

    def ensure(self, kind: str, arguments: Mapping[str, Any], target: str, why: str) -> Job:
        """Log the request, and add a job unless an identical job is waiting to begin.

        A running job does not count, because it may already have passed the affected rows.
        """
        wanted = json.dumps(dict(arguments))
        with transaction.atomic(using=self.using):
            self._wait_for_other_requests()
            equal = self._rows().filter(kind=kind, arguments=wanted, state=JobState.WAITING)
            job = equal.order_by("id").first()
            if job is None:
                job = self._rows().create(kind=kind, arguments=wanted, asked_by=current_actor())
            log_action(kind, f"job {job.pk}: {target}", why, using=self.using)
        return job

    def cancel(self, job: Job, why: str) -> None:
        """Cancel a job. Raise Refused if the job has already ended or been cancelled."""
        with transaction.atomic(using=self.using):
            mine = self._rows().filter(pk=job.pk)
            if not (
                mine.filter(state=JobState.WAITING).update(
                    state=JobState.CANCELLED, finished_at=DatabaseNow(), cancel=True
                )
                or mine.filter(state=JobState.RUNNING, cancel=False).update(cancel=True)
            ):
                raise Refused("The job has already ended or been cancelled.")
            log_action("cancel", f"job {job.pk}: {job.kind}", why, using=self.using)

    def claim(self, owner: str) -> Job | None:
        """Claim an available job; return None if no job is available.

        Jobs that were never claimed come first, in the order of the requests. Then comes the job
        that ran least recently. A job that is retried therefore does not delay the others.

        If the process of a job has died, the job is available after the lease has expired.
        Claiming such a job counts as a crash, because a job that kills its process must not be
        retried indefinitely. A job that `owner` itself left unfinished is available at once.
        """
        available = self._rows().filter(
            leases.available_to(owner, LEASE_SECONDS), state__in=_UNFINISHED
        )
        first = available.order_by(F("heard_at").asc(nulls_first=True), "id")
        for number, last in list(first.values_list("pk", "owner")[:10]):
            if leases.take(
                available.filter(pk=number, owner=last),
                owner,
                LEASE_SECONDS,
                crashes=F("crashes") + (1 if last not in {"", owner} else 0),
                state=JobState.RUNNING,
                started_at=Coalesce(F("started_at"), DatabaseNow()),
                heard_at=DatabaseNow(),
            ):
                return self._rows().get(pk=number)
        return None

    def renew(self, job: Job, said: str) -> bool:
        """Renew the lease and store the progress; return False if the lease has been lost."""
        job.said = said[-SAID_LIMIT:]
        progress = {"done": job.done, "total": job.total, "said": job.said}
        return leases.renew(
            self._held(job), job.owner, LEASE_SECONDS, heard_at=DatabaseNow(), **progress
        )

    def wants_cancel(self, job: Job) -> bool:
        """Return whether a cancellation was requested."""
        return self._rows().filter(pk=job.pk, cancel=True).exists()

    def give_back(self, job: Job) -> None:
        """Release the job, so that any process may resume it at once."""
        leases.release(self._held(job), job.owner, done=job.done, said=job.said[-SAID_LIMIT:])

    def finish(self, job: Job, state: JobState, result: str) -> None:
        """End the job, unless another process has claimed it."""
        self._held(job).update(
            state=state,
            result=result[:_RESULT_LIMIT],
            done=job.done,
            total=job.total,
            said=job.said[-SAID_LIMIT:],
            finished_at=DatabaseNow(),
        )

    def _wait_for_other_requests(self) -> None:
        """Lock out other requests until the end of the transaction.

        Otherwise, two requests at the same moment would not see each other's job. The lock is on
        the row of the epoch. This row always exists, and changes of captured rows only read it.
        """
        list(Epoch.objects.using(self.using).select_for_update())

    def _held(self, job: Job) -> QuerySet[Job]:
        return self._rows().filter(pk=job.pk, owner=job.owner, state=JobState.RUNNING)

    def _rows(self) -> QuerySet[Job]:
        return Job.objects.using(self.using)
