"""Jobs: claimed by one process, cancelled, taken over from one that is gone."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from cdc.context import acting_as, current_actor
from cdc.errors import Misconfigured, Refused, Retryable
from cdc.jobs.runner import Desk, JobRunner, Work
from cdc.jobs.table import LEASE_SECONDS, MOST_CRASHES, Jobs
from cdc.models import Job, JobState, OperatorAction
from cdc.testing.twins import FakeClock

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
JOBS = Jobs("default")


def ask(kind: str = "count") -> Job:
    with acting_as("7"):
        return JOBS.ask(kind, {"where": ["a=b"]}, "all", "because")


def lapse() -> None:
    Job.objects.update(expires_at=Now() - timedelta(seconds=1))


def run(work: Work, owner: str = "one") -> Job:
    runner = JobRunner(JOBS, {"count": work}, owner, lambda: False, FakeClock())
    assert runner.run_once()
    return Job.objects.get()


def nothing(desk: Desk) -> list[str]:
    return []


def test_a_job_is_claimed_by_one_and_written_down() -> None:
    job = ask()
    taken = JOBS.claim("one")
    assert taken is not None
    assert (taken.pk, taken.state, taken.owner) == (job.pk, JobState.RUNNING, "one")
    assert JOBS.claim("two") is None
    written = OperatorAction.objects.get()
    assert (written.who, written.what, written.why) == ("7", "count", "because")
    assert written.target == f"job {job.pk}: all"


def test_one_of_a_kind_waits_at_a_time() -> None:
    ask()
    with pytest.raises(Refused, match="of this kind is waiting: wait until it ends"):
        ask()
    ask("snapshot")


def test_a_lapsed_job_is_taken_over_and_its_owner_shut_out() -> None:
    ask()
    first = JOBS.claim("one")
    assert first is not None
    lapse()
    second = JOBS.claim("two")
    assert second is not None
    assert second.crashes == 1
    assert not JOBS.renew(first, "I am late")
    JOBS.finish(first, JobState.DONE, "late")
    assert JOBS.renew(second, "I have it")
    assert Job.objects.get().said == "I have it"
    assert JOBS.claim("two"), "what is one's own is taken again at once"


def test_what_is_given_back_is_no_crash() -> None:
    ask()
    first = JOBS.claim("one")
    assert first is not None
    JOBS.give_back(first)
    second = JOBS.claim("two")
    assert second is not None
    assert second.crashes == 0


def test_work_that_ends_its_process_again_and_again_is_given_up() -> None:
    ask()
    for number in range(MOST_CRASHES + 1):
        assert JOBS.claim(f"number {number}")
        lapse()
    job = run(nothing)
    assert (job.state, job.result) == (JobState.FAILED, "It ended its process 11 times.")


def test_a_job_is_done_in_the_name_of_who_asked() -> None:
    ask()
    seen: dict[str, Any] = {}

    def work(desk: Desk) -> list[str]:
        with desk.bar("Counting", 20, desk.say) as (say, advance):
            say("on it")
            say("on it")
            advance(5)
        seen.update(who=current_actor(), where=desk.arguments["where"])
        return ["a", "b"]

    job = run(work)
    assert seen == {"who": "7", "where": ["a=b"]}
    assert (job.state, job.result, job.said) == (JobState.DONE, "a\nb", "on it")
    assert (job.done, job.total) == (5, 20)
    assert job.finished_at


def test_a_cancelled_job_ends_before_or_while_it_runs() -> None:
    waiting = ask()
    JOBS.cancel(waiting, "no need")
    assert JOBS.claim("one") is None
    with pytest.raises(Refused, match="already"):
        JOBS.cancel(waiting, "")
    Job.objects.all().delete()
    ask()

    def work(desk: Desk) -> list[str] | None:
        JOBS.cancel(desk.job, "enough")
        assert not desk.stopped()
        desk.beat()
        return None if desk.stopped() else []

    job = run(work)
    assert job.state == JobState.CANCELLED
    assert OperatorAction.objects.filter(what="cancel").count() == 2


def test_a_stopped_job_is_left_for_the_next_process() -> None:
    ask()
    job = run(lambda _: None)
    assert (job.state, job.owner) == (JobState.RUNNING, "")
    assert run(nothing, "two").state == JobState.DONE


def test_what_is_away_is_tried_again_and_what_is_wrong_fails() -> None:
    ask()

    def away(desk: Desk) -> list[str]:
        raise Retryable("MongoDB is away.")

    with pytest.raises(Retryable):
        run(away)
    with pytest.raises(Retryable):
        run(away)
    assert Job.objects.get().said == "MongoDB is away."

    def wrong(desk: Desk) -> list[str]:
        raise Misconfigured("There is no such model.")

    job = run(wrong)
    assert (job.state, job.result) == (JobState.FAILED, "There is no such model.")


def test_a_desk_that_lost_its_job_stops() -> None:
    ask()
    job = JOBS.claim("one")
    assert job is not None
    clock = FakeClock()
    desk = Desk(job, JOBS, lambda: False, clock)
    desk.beat()
    assert not desk.stopped()
    lapse()
    JOBS.claim("two")
    clock.sleep(LEASE_SECONDS)
    desk.beat()
    assert desk.stopped()
