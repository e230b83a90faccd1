"""The operator's pages: what they show, and who may do what."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from cdc.models import ConsumerPause, Job, JobState, OperatorAction
from cdc.operator_log import write_down
from cdc.status.status import Canary as CanaryState
from cdc.status.status import Status
from project.operations.picture import Picture, State
from project.operations.spark import spark
from project.pages import feed_state
from project.pages.latest import Latest
from tests.cdc.status.test_status import status
from tests.support.static_files import plain_static_files
from users.models import User, UserType

SEEN = CanaryState(sent_seconds_ago=3.0, arrived_seconds_ago=3.0, seconds=0.012)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(feed_state.feed, "latest", Latest(status))
    monkeypatch.setattr(feed_state.pulse, "latest", Latest(lambda: [1.0]))
    with plain_static_files():
        yield


def client_of(role: UserType) -> Client:
    client = Client()
    user = User.objects.create_user(f"{role}@people.example", "x", name=role.label, user_type=role)
    client.force_login(user)
    return client


def test_a_technical_worker_pauses_and_resumes() -> None:
    client = client_of(UserType.TECHNICAL_WORKER)
    assert "Pause the consumers" in client.get("/operations/pause/").content.decode()
    assert not ConsumerPause.objects.exists(), "a page that is looked at does nothing"

    page = client.post("/operations/pause/", {"why": "<b>an index</b>"}, follow=True)
    assert "The consumers are paused." in page.content.decode()
    assert ConsumerPause.objects.get().group == settings.CDC.group
    page = client.post("/operations/pause/", {}, follow=True)
    assert "Nothing was done. The consumers are paused already." in page.content.decode()
    client.post("/operations/resume/", {})
    assert not ConsumerPause.objects.exists()

    log = client.get("/operations/log/").content.decode()
    assert "&lt;b&gt;an index&lt;/b&gt;" in log
    assert "technical_worker@people.example" in log
    assert OperatorAction.objects.count() == 2


def test_senior_management_reads_and_does_not_act() -> None:
    client = client_of(UserType.SENIOR_MANAGEMENT)
    page = client.get("/operations/").content.decode()
    assert "The feed" in page
    assert "Pause the consumers" not in page
    assert client.post("/operations/pause/", {}).status_code == 403
    assert not ConsumerPause.objects.exists()


def test_a_page_whose_reader_may_no_more_is_loaded_anew() -> None:
    answer = Client().get("/operations/state/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Refresh"] == "true"
    assert answer.content == b""


def test_the_log_has_pages() -> None:
    for number in range(51):
        write_down("pause", f"number {number}", "", using="default")
    client = client_of(UserType.TECHNICAL_WORKER)
    assert "number 0<" in client.get("/operations/log/?page=2").content.decode()


def states(picture: Picture, value: Status | None, seconds: float = 0.0) -> dict[str, State]:
    return {part.name: part.state for part in picture.parts(value, seconds)}


def test_nothing_is_green_that_was_not_heard() -> None:
    now = [100.0]
    picture = Picture(lambda: now[0])
    assert set(states(picture, None).values()) == {State.UNKNOWN}
    assert set(states(picture, status(canary=SEEN)).values()) == {State.GOOD}
    now[0] = 160.0
    assert set(states(picture, status(), 60.0).values()) == {State.UNKNOWN}
    away = status(tables=None, problems=("MongoDB is away.",))
    assert states(picture, away)["Collections"] is State.UNKNOWN
    collections = picture.parts(away, 0.0)[4]
    assert (collections.figure, collections.note) == ("3", "last heard 60 s ago")
    outbox = Picture(lambda: now[0]).parts(status(), 12.0)[0]
    assert outbox.state is State.UNKNOWN
    assert outbox.note == "last heard 12 s ago"


def test_a_canary_that_does_not_come_back_needs_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    late = replace(SEEN, arrived_seconds_ago=60.0)
    never = replace(SEEN, arrived_seconds_ago=None, seconds=None)
    silent = replace(SEEN, sent_seconds_ago=60.0, arrived_seconds_ago=60.0)
    found = [states(Picture(), status(canary=it))["Canary"] for it in (late, never, silent)]
    assert found == [State.BAD, State.BAD, State.UNKNOWN]

    monkeypatch.setattr(feed_state.feed, "latest", Latest(lambda: status(canary=never)))
    page = client_of(UserType.TECHNICAL_WORKER).get("/operations/").content.decode()
    assert "every ten seconds: it is sent and does not come back." in page


def test_parts_that_need_somebody_say_so() -> None:
    found = states(Picture(), status(consumers=0))
    assert found["Consumers"] is State.BAD
    assert spark([0.0, 0.0])["bars"][1]["height"] == 0
    assert spark([1.0, 4.0])["bars"][0]["height"] == 10


def test_a_snapshot_is_counted_before_it_is_started() -> None:
    client = client_of(UserType.TECHNICAL_WORKER)
    model = "stories.Story"
    wrong = client.post("/operations/jobs/snapshot/", {"model": model, "where": "colour=red"})
    assert "names &#x27;colour&#x27;, but Story has no such field" in wrong.content.decode()
    assert not Job.objects.exists()

    right = {"model": model, "where": "status=popular\n"}
    page = client.post("/operations/jobs/snapshot/", right, follow=True)
    assert "Dry run of a snapshot" in page.content.decode()
    counted = Job.objects.get()
    assert json.loads(counted.arguments)["where"] == ["status=popular"]
    assert client.get(f"/operations/jobs/{counted.pk}/start/").status_code == 404

    Job.objects.update(state=JobState.DONE, result="copy_1: would insert 3, update 0, remove 0")
    assert "Start this snapshot" in client.get(f"/operations/jobs/{counted.pk}/").content.decode()
    asked = client.get(f"/operations/jobs/{counted.pk}/start/").content.decode()
    assert "copy_1: would insert 3" in asked
    client.post(f"/operations/jobs/{counted.pk}/start/", {"why": "a new copy"})
    started = Job.objects.exclude(pk=counted.pk).get()
    assert (started.kind, started.arguments) == ("snapshot", counted.arguments)
    log = [(each.what, each.target) for each in OperatorAction.objects.order_by("id")]
    assert log[1] == ("snapshot", f"job {started.pk}: stories_story with status=popular")


def test_a_job_is_watched_and_cancelled() -> None:
    client = client_of(UserType.TECHNICAL_WORKER)
    client.post("/operations/jobs/repair/", {"why": "<i>why</i>"})
    job = Job.objects.get()
    Job.objects.update(
        state=JobState.RUNNING, total=40, done=10, heard_at=timezone.now() - timedelta(minutes=1)
    )
    middle = client.get(f"/operations/jobs/{job.pk}/", headers={"HX-Request": "true"})
    assert "<html" not in middle.content.decode()
    assert "not heard for 60 s" in middle.content.decode()
    assert 'value="10"' in middle.content.decode()
    asked = client.get(f"/operations/jobs/{job.pk}/cancel/").content.decode()
    assert f'<h1 class="h3 mb-3">Cancel job {job.pk}</h1>' in asked
    page = client.post(f"/operations/jobs/{job.pk}/cancel/", {}, follow=True)
    assert "ends soon" in page.content.decode()
    assert "Cancel the job" not in page.content.decode()
    management = client_of(UserType.SENIOR_MANAGEMENT)
    assert management.get("/operations/jobs/").status_code == 200
    assert management.post("/operations/jobs/reconcile/", {}).status_code == 403
    assert Job.objects.count() == 1
