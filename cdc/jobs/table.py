"""Long work that pages ask for: a table of jobs, each done by one process at a time.

A job is claimed by a conditional update, with a lease by the database's clock; who lost it writes
nothing more to it. The work itself may be cut off at any instruction and goes on from its
checkpoint.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from cdc.context import current_actor
from cdc.errors import Refused
from cdc.models import Job, JobState
from cdc.operator_log import write_down

LEASE_SECONDS = 10.0
MOST_CRASHES = 10
_MOST_SAID = 20_000
"""Characters of what a job said that are kept: its last ones."""
_UNFINISHED = (JobState.WAITING, JobState.RUNNING)


class Jobs:
    """The jobs of one database."""

    def __init__(self, using: str) -> None:
        self._using = using

    def ask(self, kind: str, arguments: Mapping[str, Any], target: str, why: str) -> Job:
        """Add a job and write down who asked; raises Refused while another of its kind waits."""
        with transaction.atomic(using=self._using):
            other = self._rows().filter(kind=kind, state__in=_UNFINISHED).first()
            if other is not None:
                raise Refused(
                    f"Job {other.pk} is of this kind and {other.state}: let it end first."
                )
            job = self._rows().create(
                kind=kind, arguments=json.dumps(dict(arguments)), asked_by=current_actor()
            )
            write_down(kind, f"job {job.pk}: {target}", why, using=self._using)
        return job

    def cancel(self, job: Job, why: str) -> None:
        """Let a job end soon; raises Refused for one that has ended."""
        with transaction.atomic(using=self._using):
            mine = self._rows().filter(pk=job.pk)
            if not (
                mine.filter(state=JobState.WAITING).update(
                    state=JobState.CANCELLED, finished_at=Now(), cancel=True
                )
                or mine.filter(state=JobState.RUNNING, cancel=False).update(cancel=True)
            ):
                raise Refused("It has ended, or is to end, already.")
            write_down("cancel", f"job {job.pk}: {job.kind}", why, using=self._using)

    def claim(self, owner: str) -> Job | None:
        """Take the first job that nobody works at; None when there is none.

        What this owner left off without a word it takes again at once. A job whose process ended
        is taken when its lease has lapsed, and that is counted: work that ends its process again
        and again must not do so for ever.
        """
        lapsed = Q(expires_at__lte=Now()) | Q(owner=owner)
        free = Q(state=JobState.WAITING) | Q(state=JobState.RUNNING) & lapsed
        numbers = self._rows().filter(free).order_by("id").values_list("pk", "owner")
        for number, last in list(numbers[:10]):
            taken = self._rows().filter(free, pk=number, owner=last)
            if taken.update(
                crashes=F("crashes") + (1 if last not in {"", owner} else 0),
                owner=owner,
                state=JobState.RUNNING,
                started_at=Coalesce(F("started_at"), Now()),
                heard_at=Now(),
                expires_at=Now() + timedelta(seconds=LEASE_SECONDS),
            ):
                return self._rows().get(pk=number)
        return None

    def renew(self, job: Job, said: str) -> bool:
        """Say that its process works at it, and how far it is; return False when it is lost."""
        job.said = said[-_MOST_SAID:]
        return self._update(
            job,
            done=job.done,
            total=job.total,
            said=job.said,
            heard_at=Now(),
            expires_at=Now() + timedelta(seconds=LEASE_SECONDS),
        )

    def wants_cancel(self, job: Job) -> bool:
        """Return whether somebody wants it to end."""
        return self._rows().filter(pk=job.pk, cancel=True).exists()

    def give_back(self, job: Job) -> None:
        """Let another process, or a later try, take it at once."""
        self._update(job, done=job.done, said=job.said, owner="", expires_at=Now())

    def finish(self, job: Job, state: JobState, result: str) -> None:
        """End it."""
        self._update(
            job,
            state=state,
            result=result,
            done=job.done,
            total=job.total,
            said=job.said,
            finished_at=Now(),
        )

    def _update(self, job: Job, **values: Any) -> bool:
        held = self._rows().filter(pk=job.pk, owner=job.owner, state=JobState.RUNNING)
        return bool(held.update(**values))

    def _rows(self) -> QuerySet[Job]:
        return Job.objects.using(self._using)
