"""An action on many stories is carried out by a job, in short transactions."""

from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cdc.jobs.runner import JobRunner
from cdc.jobs.table import Jobs
from cdc.models import Job, JobState, OutboxRecord
from cdc.testing.twins import FakeClock
from stories.actions.review import reject
from stories.bulk import admin, job
from stories.bulk.job import BULK_JOB
from stories.bulk.shown import code_of
from stories.models import Rejection, Story
from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LIST = "/admin/stories/story/"


@pytest.fixture
def boss(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return a superuser's client. There are seven stories, and more than three are many."""
    monkeypatch.setattr(admin, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(job, "_CHUNK", 2)
    Story.objects.bulk_create(
        Story(title=f"S{number}", href="http://a.example/", status=status)
        for number, status in enumerate([*["submitted"] * 4, "popular", *["upcoming"] * 2])
    )
    Story.objects.filter(title="S2").delete()
    OutboxRecord.objects.all().delete()
    client = Client()
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    with plain_static_files():
        yield client


def act(client: Client, action: str, **data: str) -> str:
    chosen = {"_selected_action": [Story.objects.first().pk], "select_across": "1"}  # type: ignore[union-attr]
    return client.post(LIST, {**chosen, "action": action, **data}, follow=True).content.decode()


def run(stopped: bool = False) -> Job:
    jobs = {BULK_JOB.name: BULK_JOB.run}
    asked = iter([False])
    stopping = (lambda: next(asked, True)) if stopped else (lambda: False)
    assert JobRunner(Jobs("default"), jobs, "one", stopping, FakeClock()).run_once()
    return Job.objects.get()


def test_many_stories_are_approved_by_a_job_that_resumes(boss: Client) -> None:
    assert "The stories will be approved by job" in act(boss, "approve")
    assert not OutboxRecord.objects.exists()
    assert run(stopped=True).state == JobState.RUNNING
    assert OutboxRecord.objects.count() == 2
    Story.objects.create(title="later", href="http://a.example/")
    OutboxRecord.objects.filter(op="c").delete()
    done = run()
    assert (done.state, done.result) == (JobState.DONE, "3 stories were approved.")
    assert set(Story.objects.exclude(title="later").values_list("status", flat=True)) == {"popular"}
    assert Story.objects.get(title="later").status == "submitted"
    assert OutboxRecord.objects.filter(op="u").count() == 5
    assert LogEntry.objects.filter(change_message="Approved.").count() == 5
    assert Story.objects.filter(promote_date=None).count() == 2, "one was popular before"


def test_many_stories_are_edited_by_a_job(boss: Client) -> None:
    assert "Edit 6 stories" in act(boss, "edit")
    said = act(boss, "edit", confirmed="yes", media="images", diggs="7", status="")
    assert "The stories will be edited by job" in said
    assert run().result == "6 stories were edited."
    assert set(Story.objects.values_list("media", "diggs")) == {("images", 7)}
    assert LogEntry.objects.count() == 6


def test_many_stories_are_deleted_by_a_job(boss: Client) -> None:
    assert "Are you sure" in act(boss, "delete_selected")
    assert "The stories will be deleted by job" in act(boss, "delete_selected", post="yes")
    assert Story.objects.count() == 6
    User.objects.all().delete()
    assert run().state == JobState.DONE
    assert not Story.objects.exists()
    assert OutboxRecord.objects.filter(op="d").count() == 6


def test_few_stories_are_changed_at_once(boss: Client) -> None:
    Story.objects.filter(status="submitted").delete()
    page = act(boss, "reject", confirmed="yes", reason="Spam.")
    assert "3 stories were rejected." in page
    assert not Job.objects.exists()


LEFT = "\n1 story was skipped, because it was changed after the request."


def test_a_job_leaves_later_decisions_alone(boss: Client) -> None:
    act(boss, "approve")
    story = Story.objects.get(title="S0")
    reject(User.objects.get(), story.pk, "Spam.", code_of(story))
    assert run().result == f"4 stories were approved.{LEFT}"
    story.refresh_from_db()
    assert (story.status, story.rejection.reason) == ("rejected", "Spam.")


def test_a_resumed_job_leaves_decisions_about_its_own_stories_alone(boss: Client) -> None:
    act(boss, "approve")
    run(stopped=True)
    story = Story.objects.exclude(promote_date=None).earliest("pk")
    reject(User.objects.get(), story.pk, "Spam.", code_of(story))
    assert run().result == f"3 stories were approved.{LEFT}"
    assert Story.objects.get(pk=story.pk).status == "rejected"


def test_a_job_deletes_no_story_about_which_others_have_decided(boss: Client) -> None:
    act(boss, "delete_selected", post="yes")
    Story.objects.filter(title="S0").update(status="popular")
    assert run().result == f"5 stories were deleted.{LEFT}"
    assert Story.objects.get().title == "S0"


def test_a_job_keeps_an_edit_but_not_the_votes_of_the_meantime(boss: Client) -> None:
    act(boss, "edit", confirmed="yes", media="images", diggs="7", status="")
    Story.objects.filter(title="S0").update(media="videos")
    Story.objects.filter(title="S1").update(diggs=3, status="popular")
    assert run().result == f"5 stories were edited.{LEFT}"
    edited = Story.objects.exclude(title="S0").values_list("media", "diggs")
    assert set(edited) == {("images", 7)}
    assert Story.objects.get(title="S0").media == "videos"


def test_a_job_of_an_earlier_release_is_done(boss: Client) -> None:
    keys = sorted(Story.objects.values_list("pk", flat=True))
    arguments = {"ranges": [[keys[0], keys[-1]]], "word": "edited", "user": "1"}
    Jobs("default").ensure(BULK_JOB.name, {**arguments, "values": {"diggs": 9}}, "6 stories", "")
    assert run().result == "6 stories were edited."
    assert set(Story.objects.values_list("diggs", flat=True)) == {9}


def test_a_job_is_not_queued_for_stories_that_changed_on_the_page(boss: Client) -> None:
    codes = [f"{story.pk}:{code_of(story)}" for story in Story.objects.all()]
    Story.objects.filter(title="S0").update(link="http://evil.example/")
    chosen = {"action": "approve", "_selected_action": [1], "select_across": "1"}
    page = boss.post(LIST, {**chosen, "shown": codes}, follow=True).content.decode()
    assert "No story was approved." in page
    assert not Job.objects.exists()


@pytest.mark.parametrize("in_a_job", [False, True])
def test_rejected_stories_get_a_new_reason(
    boss: Client, monkeypatch: pytest.MonkeyPatch, in_a_job: bool
) -> None:
    """The stories themselves do not change, so they have no events."""
    monkeypatch.setattr(admin, "MOST_AT_ONCE", 3 if in_a_job else 100)
    Story.objects.update(status="rejected")
    first = Story.objects.earliest("pk")
    Rejection.objects.create(story=first, reason="New.")
    OutboxRecord.objects.all().delete()
    page = act(boss, "edit", confirmed="yes", status="rejected", reason="New.")
    assert (run().result if in_a_job else page).count("5 stories were edited.") == 1
    assert set(Story.objects.values_list("rejection__reason", flat=True)) == {"New."}
    assert LogEntry.objects.filter(change_message="Edited. New.").count() == 5
    assert not OutboxRecord.objects.exists()


def test_a_job_counts_one_story_in_the_singular(boss: Client) -> None:
    act(boss, "approve")
    Story.objects.exclude(title="S0").delete()
    assert run().result == "1 story was approved."


@pytest.mark.parametrize(
    ("keys", "ranges"),
    [([], []), ([3], [[3, 3]]), ([1, 2, 3, 7, 9, 10], [[1, 3], [7, 7], [9, 10]])],
)
def test_keys_are_stored_as_ranges(keys: list[int], ranges: list[list[int]]) -> None:
    assert list(job._ranges(keys)) == ranges


def test_a_job_rejects_many_stories_with_their_reason(boss: Client) -> None:
    act(boss, "reject", confirmed="yes", reason="Spam.")
    assert run().state == JobState.DONE
    assert set(Story.objects.values_list("status", "rejection__reason")) == {("rejected", "Spam.")}
    Job.objects.all().delete()
    act(boss, "approve")
    run()
    assert not Rejection.objects.exists()
