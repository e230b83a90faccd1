"""Accounts with many stories are deactivated at once, and deleted by a job."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connections, transaction
from django.test import Client

from cdc.jobs.runner import JobRunner
from cdc.jobs.table import Jobs
from cdc.models import Job, JobState, OperatorAction, OutboxRecord
from cdc.testing.twins import FakeClock
from stories.models import Story, Vote
from tests.users.conftest import logged_in, sentences
from users.deletion import accounts, admin
from users.deletion.accounts import DELETION_JOB, Reference
from users.models import User

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
JOBS = Jobs("default")
LIST = "/admin/users/user/"


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (accounts, admin):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(accounts, "_CHUNK", 2)


def submit(account: User, number: int) -> None:
    Story.objects.bulk_create(
        Story(title=f"S{each}", href="http://a.example/", submitted_by=account)
        for each in range(number)
    )
    OutboxRecord.objects.all().delete()


def delete(client: Client, account: User) -> Any:
    return client.post(f"{LIST}{account.pk}/delete/", {"post": "yes"}, follow=True)


def delete_selected(client: Client, account: User) -> Any:
    data = {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"}
    return client.post(LIST, data, follow=True)


def run(owner: str = "one", stopping: Callable[[], bool] = lambda: False) -> Job:
    kinds = {DELETION_JOB.name: DELETION_JOB.run}
    assert JobRunner(JOBS, kinds, owner, stopping, FakeClock()).run_once()
    return Job.objects.get()


def own(account: User) -> int:
    return Story.objects.filter(submitted_by=account).count()


def test_an_account_with_few_stories_is_deleted_at_once(as_boss: Client, ann: User) -> None:
    submit(ann, 3)
    assert "was deleted successfully" in sentences(delete(as_boss, ann))[0]
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not Job.objects.exists()
    assert OutboxRecord.objects.filter(op="u").count() == 3


def test_an_account_with_many_stories_is_deactivated_and_deleted_by_a_job(
    as_boss: Client, boss: User, ann: User
) -> None:
    submit(ann, 5)
    reader = logged_in(ann)
    LogEntry.objects.log_actions(str(ann.pk), Story.objects.all(), CHANGE, "Edited.")
    shown = as_boss.get(f"{LIST}{ann.pk}/delete/").content.decode()
    assert "a job deletes them" in shown
    assert "Edited" not in shown

    page = delete(as_boss, ann)
    job = Job.objects.get()
    (sentence,) = sentences(page)
    assert sentence.startswith("1 account was deactivated for now, because the")
    assert f"Job {job.pk} completes the deletion" in sentence
    assert own(ann) == 5
    assert reader.get("/stories/").status_code == 302, "its sessions have ended"
    new = {"email": ann.email, "name": "B", "password1": "a-7-b-8-c", "password2": "a-7-b-8-c"}
    assert "already exists" in Client().post("/register/", new).content.decode()
    assert OperatorAction.objects.get().target == f"job {job.pk}: account {ann.pk}"

    job = run()
    assert (job.state, job.result) == (JobState.DONE, "1 account was deleted.")
    assert (job.done, job.total) == (10, 10)
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not LogEntry.objects.filter(user_id=ann.pk).exists()
    assert Story.objects.filter(submitted_by=None).count() == 5
    events = OutboxRecord.objects.all()
    assert [(event.op, event.user) for event in events] == [("u", str(boss.pk))] * 5


def test_the_job_resumes_after_a_stop_and_after_a_kill(
    as_boss: Client, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(ann, 7)
    delete(as_boss, ann)
    assert run(stopping=lambda: True).state == JobState.RUNNING
    assert own(ann) == 5

    write = Reference.write

    def killed(reference: Reference, rows: Any) -> None:
        write(reference, rows)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Reference, "write", killed)
        with pytest.raises(SystemExit):
            run("two")
    assert own(ann) == 5, "the chunk was rolled back"
    Job.objects.update(expires_at=None)

    job = run("three")
    assert (job.state, job.done, job.total) == (JobState.DONE, 7, 7)
    assert not User.objects.filter(pk=ann.pk).exists()
    assert OutboxRecord.objects.count() == 7


def test_a_cancelled_job_leaves_the_account_deactivated(as_boss: Client, ann: User) -> None:
    submit(ann, 7)
    delete(as_boss, ann)
    assert run(stopping=lambda: True).state == JobState.RUNNING
    JOBS.cancel(Job.objects.get(), "kept")
    assert run().state == JobState.CANCELLED
    ann.refresh_from_db()
    assert (ann.is_active, own(ann)) == (False, 3)


def test_an_account_that_was_activated_again_is_kept(as_boss: Client, ann: User) -> None:
    submit(ann, 5)
    session = Client()
    session.force_login(ann)
    delete(as_boss, ann)
    User.objects.filter(pk=ann.pk).update(is_active=True)
    job = run()
    assert job.result.splitlines() == [
        "0 accounts were deleted.",
        f"Account {ann.pk} was activated again, and was not deleted.",
    ]
    assert own(ann) == 5
    assert session.get("/stories/").status_code == 302


def test_the_action_deletes_some_accounts_and_queues_the_others(as_boss: Client, ann: User) -> None:
    few = [User.objects.create_user(f"{name}@people.example", name=name) for name in "xyz"]
    submit(ann, 5)
    data = {"action": "delete_selected", "_selected_action": [ann.pk, *(one.pk for one in few)]}
    assert "a job deletes them" in as_boss.post(LIST, data).content.decode()
    page = as_boss.post(LIST, {**data, "post": "yes"}, follow=True)
    assert sentences(page)[0].startswith("3 accounts were deleted. 1 account was deactivated")
    assert run().state == JobState.DONE
    assert list(User.objects.values_list("email", flat=True)) == ["boss@people.example"]


def dig(story: Story, user: User) -> None:
    Vote.objects.create(story=story, user=user)


def withdraw(story: Story, _: User) -> None:
    story.delete()


@pytest.mark.row_locks
@pytest.mark.parametrize("write", [dig, withdraw])
@pytest.mark.parametrize("how", [delete, delete_selected])
def test_a_write_that_has_locked_a_story_does_not_deadlock(
    as_boss: Client,
    ann: User,
    how: Callable[[Client, User], Any],
    write: Callable[[Story, User], None],
) -> None:
    submit(ann, 1)
    story = Story.objects.get()
    if write is withdraw:
        dig(story, ann)
    locked = Event()

    def lock_and_write() -> None:
        try:
            with transaction.atomic():
                Story.objects.select_for_update().get(pk=story.pk)
                locked.set()
                sleep(1)  # Meanwhile, the deletion locks what it can lock.
                write(story, ann)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lock_and_write)
        assert locked.wait(60)
        answer = how(as_boss, ann)
        writing.result()

    assert "deleted" in sentences(answer)[0]
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not Vote.objects.exists()


def test_the_job_is_shown_and_cancelled_on_its_page(as_boss: Client, ann: User) -> None:
    submit(ann, 5)
    delete(as_boss, ann)
    job = Job.objects.get()
    shown = as_boss.get(f"/operations/jobs/{job.pk}/").content.decode()
    assert "Deletion of accounts" in shown
    assert ann.email not in shown
    lead = as_boss.get(f"/operations/jobs/{job.pk}/cancel/").content.decode()
    assert "stays deactivated" in lead
