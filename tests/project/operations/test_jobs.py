"""The pages that request, show and cancel jobs."""

import json
from datetime import timedelta

import pytest
from django.test import Client
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


def test_a_job_is_watched_and_cancelled(worker: Client, manager: Client) -> None:
    worker.post("/operations/jobs/repair/", {"why": "<i>why</i>"})
    job = Job.objects.get()
    Job.objects.update(
        state=JobState.RUNNING, total=40, done=10, heard_at=timezone.now() - timedelta(minutes=1)
    )
    live = worker.get(f"/operations/jobs/{job.pk}/", headers={"HX-Request": "true"})
    assert "<html" not in live.content.decode()
    assert "no progress reported for 60 s" in live.content.decode()
    assert 'value="10"' in live.content.decode()
    confirmation = worker.get(f"/operations/jobs/{job.pk}/cancel/").content.decode()
    assert f'<h1 class="h3 mb-3">Cancel job {job.pk}</h1>' in confirmation
    page = worker.post(f"/operations/jobs/{job.pk}/cancel/", {}, follow=True)
    assert "cancelling" in page.content.decode()
    assert "Cancel the job" not in page.content.decode()
    assert manager.get("/operations/jobs/").status_code == 200
    assert manager.post("/operations/jobs/reconcile/", {}).status_code == 403
    assert Job.objects.count() == 1
