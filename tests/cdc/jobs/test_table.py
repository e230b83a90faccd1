"""Jobs are claimed by one process, can be cancelled, and are taken over from a dead process."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from cdc.context import acting_as, current_actor
from cdc.errors import Misconfigured, Refused, Retryable
from cdc.jobs import runner
from cdc.jobs.runner import JobContext, JobFunction, JobRunner
from cdc.jobs.table import LEASE_SECONDS, MOST_CRASHES, SAID_LIMIT, Jobs
from cdc.models import Job, JobState, OperatorAction
from cdc.runtime import telemetry
from cdc.runtime.error_report import ErrorReport
from cdc.testing.twins import FakeClock

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
JOBS = Jobs("default")


def ask(kind: str = "count") -> Job:
    with acting_as("7"):
        return JOBS.ask(kind, {"where": ["a=b"]}, "all", "because")


def expire_leases() -> None:
    Job.objects.update(expires_at=Now() - timedelta(seconds=1))


def run(work: JobFunction, owner: str = "one") -> Job:
    assert JobRunner(JOBS, {"count": work}, owner, lambda: False, FakeClock()).run_once()
    return Job.objects.latest("id")


def do_nothing(context: JobContext) -> list[str]:
    return []


def test_a_job_is_claimed_by_one_process_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdc.jobs.table.LEASE_SECONDS", 600.0)
    job = ask()
    taken = JOBS.claim("one")
    assert taken is not None
    assert (taken.pk, taken.state, taken.owner) == (job.pk, JobState.RUNNING, "one")
    assert JOBS.claim("two") is None
    written = OperatorAction.objects.get()
    assert (written.who, written.what, written.why) == ("7", "count", "because")
    assert written.target == f"job {job.pk}: all"


def test_one_job_of_a_kind_is_unfinished_at_a_time() -> None:
    ask()
    with pytest.raises(Refused, match="Another job of this kind is waiting"):
        ask()
    ask("snapshot")


@pytest.mark.parametrize("method", [JOBS.ask, JOBS.ensure])
def test_two_requests_at_the_same_moment_add_one_job(
    method: Callable[..., Job],
) -> None:
    def click() -> int | str:
        try:
            with acting_as("7"):
                return int(method("count", {}, "all", "").pk)
        except Refused as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first = method("count", {}, "all", "")
            second = pool.submit(click)
            wait([second], timeout=1)
        found = second.result()

    assert found == first.pk or "Another job" in str(found)
    assert Job.objects.count() == 1


def test_an_expired_job_is_taken_over_and_its_owner_shut_out() -> None:
    ask()
    first = JOBS.claim("one")
    assert first is not None
    expire_leases()
    second = JOBS.claim("two")
    assert second is not None
    assert second.crashes == 1
    assert not JOBS.renew(first, "I am late")
    JOBS.finish(first, JobState.DONE, "late")
    assert JOBS.renew(second, "I have it")
    assert Job.objects.get().said == "I have it"
    assert JOBS.claim("two"), "an owner gets its own job back at once"


def test_a_released_job_counts_no_crash() -> None:
    ask()
    first = JOBS.claim("one")
    assert first is not None
    JOBS.give_back(first)
    second = JOBS.claim("two")
    assert second is not None
    assert second.crashes == 0


def test_a_job_whose_process_keeps_dying_fails() -> None:
    ask()
    for number in range(MOST_CRASHES + 1):
        assert JOBS.claim(f"number {number}")
        expire_leases()
    job = run(do_nothing)
    assert (job.state, job.result) == (
        JobState.FAILED,
        "The process that ran the job died 11 times.",
    )


def test_a_job_runs_in_the_name_of_its_requester() -> None:
    ask()
    seen: dict[str, Any] = {}

    def work(context: JobContext) -> list[str]:
        with context.bar("Counting", 20, context.say) as (say, advance):
            say("on it")
            say("on it")
            advance(5)
        seen.update(who=current_actor(), where=context.arguments["where"])
        return ["a", "b"]

    job = run(work)
    assert seen == {"who": "7", "where": ["a=b"]}
    assert (job.state, job.result, job.said) == (JobState.DONE, "a\nb", "on it")
    assert (job.done, job.total) == (5, 20)
    assert job.finished_at


def test_a_job_can_be_cancelled_before_and_while_it_runs() -> None:
    waiting = ask()
    JOBS.cancel(waiting, "no need")
    assert JOBS.claim("one") is None
    with pytest.raises(Refused, match="already"):
        JOBS.cancel(waiting, "")
    Job.objects.all().delete()
    ask()

    def work(context: JobContext) -> list[str] | None:
        JOBS.cancel(context.job, "enough")
        assert not context.stopped()
        context.renew()
        return None if context.stopped() else []

    job = run(work)
    assert job.state == JobState.CANCELLED
    assert OperatorAction.objects.filter(what="cancel").count() == 2


def test_a_stopped_job_is_left_to_the_next_process() -> None:
    ask()
    job = run(lambda _: None)
    assert (job.state, job.owner) == (JobState.RUNNING, "")
    assert run(do_nothing, "two").state == JobState.DONE


def test_a_retryable_error_runs_the_job_again_and_any_other_fails_it() -> None:
    ask()

    def away(context: JobContext) -> list[str]:
        raise Retryable("MongoDB is down.")

    with pytest.raises(Retryable):
        run(away)
    with pytest.raises(Retryable):
        run(away)
    assert Job.objects.get().said == "MongoDB is down."

    def wrong(context: JobContext) -> list[str]:
        raise Misconfigured("There is no such model.")

    job = run(wrong)
    assert (job.state, job.result) == (JobState.FAILED, "There is no such model.")


def test_a_cancelled_job_does_not_wait_for_a_service_to_return() -> None:
    """It would block the next job of its kind for as long as the service is unavailable."""
    ask()

    def away(context: JobContext) -> list[str]:
        JOBS.cancel(context.job, "enough")
        context.renew()
        raise Retryable("MongoDB is down.")

    job = run(away)
    assert (job.state, job.said) == (JobState.CANCELLED, "MongoDB is down.")
    assert job.result == "The job was cancelled before it was finished."
    ask()


def test_a_job_function_stops_when_the_lease_is_lost() -> None:
    ask()
    job = JOBS.claim("one")
    assert job is not None
    clock = FakeClock()
    context = JobContext(job, JOBS, lambda: False, clock)
    context.renew()
    assert not context.stopped()
    expire_leases()
    JOBS.claim("two")
    clock.sleep(LEASE_SECONDS)
    context.renew()
    assert context.stopped()


def test_an_unexpected_error_of_the_renewal_keeps_the_lease_until_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without renewals, another process would run the same job at the same time."""
    ask()
    failing = [KeyError("a"), RuntimeError("b"), ValueError("c")]
    renewed = threading.Event()
    renew = JobContext.renew

    def unsteady(context: JobContext) -> None:
        if failing:
            raise failing.pop()
        renew(context)
        renewed.set()

    monkeypatch.setattr(JobContext, "renew", unsteady)
    monkeypatch.setattr(runner, "_RENEW_SECONDS", 0.01)

    def work(context: JobContext) -> list[str]:
        assert renewed.wait(60)
        assert not context.stopped()
        return []

    assert run(work).state == JobState.DONE


def test_a_lease_that_is_never_renewed_is_lost() -> None:
    ask()
    job = JOBS.claim("one")
    assert job is not None
    clock = FakeClock()
    context = JobContext(job, JOBS, lambda: False, clock)
    context.note_failure()
    assert not context.stopped()
    clock.sleep(LEASE_SECONDS + 1)
    context.note_failure()
    assert context.stopped()


class Kinds:
    """Job functions, some of which cannot end yet; `order` is the order in which they ran."""

    def __init__(self, *waiting: str) -> None:
        self.order: list[str] = []
        self.waiting = set(waiting)

    def runner(self, owner: str = "one") -> JobRunner:
        names = ("count", "snapshot", "reconcile", "repair")
        kinds = {name: partial(self._run, name) for name in names}
        return JobRunner(JOBS, kinds, owner, lambda: False, FakeClock())

    def _run(self, name: str, context: JobContext) -> list[str]:
        self.order.append(name)
        if name in self.waiting:
            raise Retryable("5 changes queued and the consumers are paused: resume them.")
        return []


def run_all(*runners: JobRunner) -> None:
    """Run the runners in turn, six times: more often than there are jobs."""
    for number in range(6):
        with suppress(Retryable):
            runners[number % len(runners)].run_once()


@pytest.mark.parametrize("first", ["repair", "reconcile", "snapshot"])
def test_a_job_that_cannot_continue_does_not_starve_the_others(first: str) -> None:
    others = [name for name in ("repair", "reconcile", "snapshot", "count") if name != first]
    for name in (first, *others):
        ask(name)
    kinds = Kinds(first)

    run_all(kinds.runner())

    assert kinds.order[:4] == [first, *others]
    assert set(Job.objects.filter(state=JobState.DONE).values_list("kind", flat=True)) == {*others}
    kinds.waiting.clear()
    assert kinds.runner().run_once()
    assert not Job.objects.exclude(state=JobState.DONE).exists()


def test_two_jobs_that_cannot_continue_take_turns() -> None:
    for name in ("repair", "reconcile", "count"):
        ask(name)
    kinds = Kinds("repair", "reconcile")

    run_all(kinds.runner("one"), kinds.runner("two"))

    assert kinds.order == ["repair", "reconcile", "count", "repair", "reconcile", "repair"]


def test_a_new_job_precedes_one_that_is_tried_again() -> None:
    ask("repair")
    kinds = Kinds("repair")
    run_all(kinds.runner())
    ask("count")
    assert kinds.runner().run_once()
    assert kinds.order[-1] == "count"


@pytest.mark.parametrize("finished", [0, 30])
def test_a_poll_without_a_job_is_one_query(
    django_assert_num_queries: DjangoAssertNumQueries, finished: int
) -> None:
    """An idle process polls twice per second, for as long as it runs, even after many jobs."""
    for _ in range(finished):
        ask()
        run(do_nothing)
    clock = FakeClock()
    kinds: dict[str, JobFunction] = {"count": do_nothing}
    idle = JobRunner(JOBS, kinds, "one", lambda: False, clock)
    errors = ErrorReport("jobs one", telemetry.JOB_RETRY, JOBS.using, clock)
    poll = errors.watched(idle.run_once)
    assert not poll()  # The first poll also removes the error of a killed process.
    for _ in range(20):
        clock.sleep(0.5)
        with django_assert_num_queries(1):
            assert not poll()


def test_the_messages_of_a_job_are_limited() -> None:
    """Otherwise, a statement that ends the job would be too large, and the job would never end."""
    ask()
    job = JOBS.claim("a")
    assert job is not None
    context = JobContext(job, JOBS, lambda: False, FakeClock())
    for number in range(50_000):
        context.say(f"document {number}")
    assert len(context.said) < 50_000
    assert context.said.endswith("document 49999")

    job.said = "x" * 30_000_000
    JOBS.give_back(job)
    job = JOBS.claim("a")
    assert job is not None
    assert len(job.said) == SAID_LIMIT
    job.said = "x" * 30_000_000
    JOBS.finish(job, JobState.DONE, "y" * 30_000_000)
    job.refresh_from_db()
    assert (job.state, len(job.said), len(job.result)) == (JobState.DONE, SAID_LIMIT, 200_000)
