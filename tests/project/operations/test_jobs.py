"""The pages that request, show and cancel jobs."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cdc.models import Job, JobState, OperatorAction

pytestmark = pytest.mark.django_db


def test_a_snapshot_is_counted_before_it_is_started(worker: Client) -> None:
    model = "stories.Story"
    wrong = worker.post("/operations/jobs/snapshot/", {"model": model, "where": "colour=red"})
    assert "names &#x27;colour&#x27;, but Story has no such field" in wrong.content.decode()
    assert not Job.objects.exists()

    right = {"model": model, "where": "status=popular\n"}
    page = worker.post("/operations/jobs/snapshot/", right, follow=True)
    assert "Dry run of a snapshot" in page.content.decode()
    counted = Job.objects.get()
    assert json.loads(counted.arguments)["where"] == ["status=popular"]
    assert worker.get(f"/operations/jobs/{counted.pk}/start/").status_code == 404

    Job.objects.update(state=JobState.DONE, result="copy_1: would insert 3, update 0, remove 0")
    assert "Start this snapshot" in worker.get(f"/operations/jobs/{counted.pk}/").content.decode()
    confirmation = worker.get(f"/operations/jobs/{counted.pk}/start/").content.decode()
    assert "copy_1: would insert 3" in confirmation
    worker.post(f"/operations/jobs/{counted.pk}/start/", {"why": "a new copy"})
    started = Job.objects.exclude(pk=counted.pk).get()
    assert (started.kind, started.arguments) == ("snapshot", counted.arguments)
    log = [(each.what, each.target) for each in OperatorAction.objects.order_by("id")]
    assert log[1] == ("snapshot", f"job {started.pk}: stories_story with status=popular")


def test_a_form_marks_what_is_optional_and_warns_of_deletions(worker: Client) -> None:
    snapshot = worker.get("/operations/jobs/snapshot/").content.decode()
    assert snapshot.count("(optional)</span>") == 2
    assert "<span>A snapshot of every row also removes documents without a row.</span>" in snapshot
    repair = worker.get("/operations/jobs/repair/").content.decode()
    assert "<span>Documents without a row are removed.</span>" in repair
    assert ">Reconcile and repair</button>" in repair
    assert ">Cancel</a>" in repair


def test_a_job_is_watched_and_cancelled(worker: Client, manager: Client) -> None:
    worker.post("/operations/jobs/repair/", {"why": "<i>why</i>"})
    job = Job.objects.get()
    Job.objects.update(
        state=JobState.RUNNING, total=40, done=10, heard_at=timezone.now() - timedelta(minutes=1)
    )
    live = worker.get(f"/operations/jobs/{job.pk}/", headers={"HX-Request": "true"})
    assert "<html" not in live.content.decode()
    found = re.search(r"no progress reported for (\d+) s", live.content.decode())
    assert found is not None
    assert 60 <= int(found[1]) <= 180
    assert 'value="10"' in live.content.decode()
    assert "25%" in live.content.decode()
    confirmation = worker.get(f"/operations/jobs/{job.pk}/cancel/").content.decode()
    assert f"<h1>Cancel job {job.pk}</h1>" in confirmation
    assert 'class="btn btn-danger" type="submit">Cancel the job</button>' in confirmation
    assert ">Keep the job</a>" in confirmation
    page = worker.post(f"/operations/jobs/{job.pk}/cancel/", {}, follow=True)
    assert "Cancelling" in page.content.decode()
    assert "Cancel the job" not in page.content.decode()
    assert manager.get("/operations/jobs/").status_code == 200
    assert manager.post("/operations/jobs/reconcile/", {}).status_code == 403
    assert Job.objects.count() == 1


def test_the_message_does_not_promise_that_earlier_jobs_end_first(worker: Client) -> None:
    """With two `run_jobs` processes, or while an earlier job is retried, they run on."""
    page = worker.post("/operations/jobs/reconcile/", {}, follow=True).content.decode()
    sentence = "Jobs start in the order in which they were requested."
    assert f"requested as job {Job.objects.get().pk}. {sentence}" in page


def test_the_list_shows_progress_people_and_durations(worker: Client) -> None:
    started = timezone.now() - timedelta(seconds=125)
    Job.objects.create(
        kind="repair",
        arguments="{}",
        state=JobState.DONE,
        asked_by=str(worker.session["_auth_user_id"]),
        total=3,
        done=3,
        started_at=started,
        finished_at=started + timedelta(seconds=125),
    )

    page = worker.get("/operations/jobs/").content.decode()

    for shown in ("Reconciliation with repair, job", "100%", "2 min 5 s", "technical_worker@"):
        assert shown in page, shown
    assert page.count("Reconcile…") == 1
    assert "resends the rows that differ, and removes documents without a row." in page


@pytest.mark.usefixtures("unexpiring_cache")
def test_a_longer_list_needs_no_more_queries(
    worker: Client, manager: Client, django_assert_num_queries: Any
) -> None:
    def ask(client: Client, number: int) -> None:
        for _ in range(number):
            who = str(client.session["_auth_user_id"])
            Job.objects.create(kind="repair", arguments="{}", asked_by=who)

    ask(worker, 1)
    worker.get("/operations/jobs/")
    with CaptureQueriesContext(connection) as one:
        worker.get("/operations/jobs/")
    ask(worker, 6)
    ask(manager, 6)
    with django_assert_num_queries(len(one)):
        worker.get("/operations/jobs/")
