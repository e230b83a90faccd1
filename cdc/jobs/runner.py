"""Runs jobs one after another, and renews the lease of the running job every second."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections

from cdc.context import acting_as
from cdc.errors import CdcError, Retryable
from cdc.jobs.table import LEASE_SECONDS, MOST_CRASHES, SAID_LIMIT, Jobs
from cdc.models import Job, JobState
from cdc.progress import Advance, Say
from cdc.runtime.clock import Clock
from cdc.runtime.database import retryable_errors
from cdc.runtime.service_manager import notify_alive
from cdc.runtime.threads import start_thread

_RENEW_SECONDS = 1.0


class JobContext:
    """The context of a running job: its arguments, messages and progress, and its stop signal."""

    def __init__(self, job: Job, jobs: Jobs, stopping: Callable[[], bool], clock: Clock) -> None:
        self.job = job
        self.arguments: Mapping[str, Any] = json.loads(job.arguments)
        self.cancelled = job.cancel
        self.lost = False
        self._jobs = jobs
        self._stopping = stopping
        self._clock = clock
        self._renewed_at = clock.monotonic()
        self._lines = deque(job.said.splitlines())
        self._length = len(job.said)
        # Each run counts from zero: the job function first reports the work of earlier runs.
        job.done = job.total = 0

    def stopped(self) -> bool:
        """Return whether the job must return early: after a cancellation, a lost lease or a signal.

        A job function calls this method between its steps. Each call therefore also reports to the
        service manager that the loop is running.
        """
        notify_alive()
        return self.cancelled or self.lost or self._stopping()

    def say(self, sentence: str) -> None:
        """Store a message, unless it equals the last message."""
        sentence = sentence[-SAID_LIMIT:]
        if self._lines and self._lines[-1] == sentence:
            return
        self._lines.append(sentence)
        self._length += len(sentence) + 1
        while self._length > SAID_LIMIT and len(self._lines) > 1:
            self._length -= len(self._lines.popleft()) + 1

    @contextmanager
    def bar(self, label: str, total: int | None, say: Say) -> Iterator[tuple[Say, Advance]]:
        """Report progress in the job's row, as `cdc.progress.progress` does on a terminal."""
        self.job.total += total or 0

        def advance(size: int) -> None:
            self.job.done += size

        yield self.say, advance

    def renew(self) -> None:
        """Renew the lease, and check whether the job was cancelled.

        If the database is unavailable for longer than the lease, the lease counts as lost.
        """
        now = self._clock.monotonic()
        try:
            held = self._jobs.renew(self.job, self.said)
            self.cancelled = self.cancelled or self._jobs.wants_cancel(self.job)
        except Error:
            self.note_failure()
        else:
            self._renewed_at, self.lost = now, not held

    def note_failure(self) -> None:
        """Consider the lease lost if it could not be renewed for too long."""
        connections.close_all()
        self.lost = self._clock.monotonic() - self._renewed_at > LEASE_SECONDS

    @property
    def said(self) -> str:
        """The last messages, one per line."""
        return "\n".join(tuple(self._lines))


JobFunction = Callable[[JobContext], list[str] | None]
"""Does the remaining work of a job.

The function returns the lines of the result, or None if the job was stopped early. After Retryable
or Django's database Error, the job is run again later. But if the job was cancelled, Retryable ends
it. After any other CdcError, the job has failed. An exception of another kind ends the process,
which counts as a crash of the job.
"""


class JobRunner:
    """Claims jobs and runs them."""

    def __init__(
        self,
        jobs: Jobs,
        kinds: Mapping[str, JobFunction],
        owner: str,
        stopping: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._kinds = kinds
        self._owner = owner
        self._stopping = stopping
        self._clock = clock

    def run_once(self) -> bool:
        """Run one job until it ends or is stopped; return False if no job was available."""
        with retryable_errors(self._jobs.using):
            job = self._jobs.claim(self._owner)
            if job is not None:
                self._run(JobContext(job, self._jobs, self._stopping, self._clock))
        return job is not None

    def _run(self, context: JobContext) -> None:
        job = context.job
        function = self._kinds.get(job.kind)
        if function is None:
            self._jobs.finish(job, JobState.FAILED, f"Unknown kind of job: {job.kind}.")
            return
        if job.crashes > MOST_CRASHES:
            self._jobs.finish(
                job, JobState.FAILED, f"The process that ran the job died {job.crashes} times."
            )
            return
        try:
            with _renewing(context), acting_as(job.asked_by):
                result = function(context)
        except Retryable as error:
            context.say(str(error))
            self._end(context, JobState.CANCELLED, None)
            # A cancelled job must not wait for the service to return.
            if not context.cancelled:
                raise
        except CdcError as error:
            self._end(context, JobState.FAILED, [str(error)])
        else:
            self._end(context, JobState.DONE, result)

    def _end(self, context: JobContext, state: JobState, result: list[str] | None) -> None:
        job = context.job
        job.said = context.said
        if result is not None:
            self._jobs.finish(job, state, "\n".join(result))
        elif context.cancelled:
            self._jobs.finish(
                job, JobState.CANCELLED, "The job was cancelled before it was finished."
            )
        else:
            self._jobs.give_back(job)


@contextmanager
def _renewing(context: JobContext) -> Iterator[None]:
    """Renew the lease in a thread, since the job function may block."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_RENEW_SECONDS):
            context.renew()
        connections.close_all()

    thread = start_thread(
        "lease", renew, stopped=done.is_set, on_error=lambda _: context.note_failure()
    )
    try:
        yield
    finally:
        done.set()
        thread.join()
