"""Does one job after the other; each says every second that it is at work."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections

from cdc.context import acting_as
from cdc.errors import CdcError, Retryable
from cdc.jobs.table import LEASE_SECONDS, MOST_CRASHES, Jobs
from cdc.models import Job, JobState
from cdc.progress import Advance, Say
from cdc.runtime.database import retryable_errors
from cdc.runtime.loop import Clock

_BEAT_SECONDS = 1.0


class Desk:
    """What a job's work is given: its arguments, a place to say things, and when to stop."""

    def __init__(self, job: Job, jobs: Jobs, stopping: Callable[[], bool], clock: Clock) -> None:
        self.job = job
        self.arguments: Mapping[str, Any] = json.loads(job.arguments)
        self.cancelled = job.cancel
        self.lost = False
        self._jobs = jobs
        self._stopping = stopping
        self._clock = clock
        self._heard = clock.monotonic()
        self._lines = job.said.splitlines()
        # Counted anew by every run: the work begins by saying how much is done already.
        job.done = job.total = 0

    def stopped(self) -> bool:
        """Return whether the work is to leave off."""
        return self.cancelled or self.lost or self._stopping()

    def say(self, sentence: str) -> None:
        """Keep a sentence, once: what goes on and on is said again and again."""
        if sentence not in self._lines[-1:]:
            self._lines.append(sentence)

    @contextmanager
    def bar(self, label: str, total: int | None, say: Say) -> Iterator[tuple[Say, Advance]]:
        """Give functions that say a sentence and move the job's progress."""
        self.job.total += total or 0

        def advance(size: int) -> None:
            self.job.done += size

        yield self.say, advance

    def beat(self) -> None:
        """Renew the lease and hear whether somebody wants an end; a database away is waited for."""
        now = self._clock.monotonic()
        try:
            held = self._jobs.renew(self.job, self.said)
            self.cancelled = self.cancelled or self._jobs.wants_cancel(self.job)
        except Error:
            connections.close_all()
            self.lost = now - self._heard > LEASE_SECONDS
        else:
            self._heard, self.lost = now, not held

    @property
    def said(self) -> str:
        """What was said, in lines."""
        return "\n".join(self._lines)


Work = Callable[[Desk], list[str] | None]
"""Does what is left and returns the result in lines; None when it left off because of `stopped`.

Raises a CdcError, of which Retryable means to try again.
"""


class JobRunner:
    """Claims and does jobs."""

    def __init__(
        self,
        jobs: Jobs,
        works: Mapping[str, Work],
        owner: str,
        stopping: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._works = works
        self._owner = owner
        self._stopping = stopping
        self._clock = clock

    def run_once(self) -> bool:
        """Do one job to its end, or to a stop; return False when there was none."""
        with retryable_errors(self._jobs.using):
            job = self._jobs.claim(self._owner)
            if job is not None:
                self._run(Desk(job, self._jobs, self._stopping, self._clock))
        return job is not None

    def _run(self, desk: Desk) -> None:
        job = desk.job
        work = self._works.get(job.kind)
        if work is None or job.crashes > MOST_CRASHES:
            why = f"ended its process {job.crashes} times" if work else "is of no known kind"
            self._jobs.finish(job, JobState.FAILED, f"It {why}.")
            return
        try:
            with _beating(desk), acting_as(job.asked_by):
                result = work(desk)
        except Retryable as error:
            desk.say(str(error))
            job.said = desk.said
            self._jobs.give_back(job)
            raise
        except CdcError as error:
            self._end(desk, JobState.FAILED, [str(error)])
        else:
            self._end(desk, JobState.DONE, result)

    def _end(self, desk: Desk, state: JobState, result: list[str] | None) -> None:
        job = desk.job
        job.said = desk.said
        if result is not None:
            self._jobs.finish(job, state, "\n".join(result))
        elif desk.cancelled:
            self._jobs.finish(job, JobState.CANCELLED, "It was cancelled before its end.")
        else:
            self._jobs.give_back(job)


@contextmanager
def _beating(desk: Desk) -> Iterator[None]:
    """Let a thread say that the job is at work, whatever its work waits for."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_BEAT_SECONDS):
            desk.beat()
        connections.close_all()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
