"""The forms to submit and edit stories, which can wait for the replica."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from cdc.models import OutboxRecord
from stories import replica_wait
from stories.models import Status, Story
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = pytest.mark.django_db
SENT = {"title": "A lamp", "link": "http://a.example/", "description": "It shines."}


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_static_files():
        yield


def person(name: str, role: UserType = UserType.CUSTOMER) -> tuple[User, Client]:
    user = User.objects.create_user(f"{name}@people.example", "x", name=name, user_type=role)
    client = Client()
    client.force_login(user)
    return user, client


def test_the_submitter_may_change_a_story_until_review() -> None:
    user, client = person("ann")
    page = client.post("/stories/new/", SENT, follow=True).content.decode()
    assert "Saved." in page
    assert "Edit this story" in page
    story = Story.objects.get()
    assert (story.submitted_by, story.status, story.href) == (user, "submitted", SENT["link"])
    change = f"/stories/{story.pk}/change/"
    assert change in page
    assert person("bob")[1].get(change).status_code == 403
    Story.objects.update(status=Status.UPCOMING)
    assert client.get(change).status_code == 403
    assert person("cid", UserType.TECHNICAL_WORKER)[1].get(change).status_code == 200


def test_a_correction_writes_only_the_changed_fields() -> None:
    _, client = person("ann")
    client.post("/stories/new/", SENT)
    story = Story.objects.get()
    Story.objects.update(diggs=17)
    OutboxRecord.objects.all().delete()
    client.post(f"/stories/{story.pk}/change/", {**SENT, "title": "Two lamps"})
    story.refresh_from_db()
    assert (story.title, story.diggs) == ("Two lamps", 17)
    assert [record.op for record in OutboxRecord.objects.all()] == ["u"]


@pytest.mark.django_db(transaction=True)
def test_an_invalid_story_is_refused_in_the_form() -> None:
    _, client = person("ann")
    page = client.post("/stories/new/", {**SENT, "link": "javascript:alert(1)"})
    assert "Enter a valid URL" in page.content.decode()
    page = client.post("/stories/new/", {**SENT, "description": "x" * 1_000_000})
    assert "MAX_EVENT_BYTES is 900000: shorten the row by " in page.content.decode()
    assert page.context["form"]["description"].value() == "x" * 1_000_000
    assert list(page.context["form"].errors) == ["description"]
    assert not Story.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_column_that_the_form_lacks_is_no_server_error() -> None:
    _, client = person("ann")
    client.post("/stories/new/", SENT)
    story = Story.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE stories_story SET user = %s", [r'{"a\u0000b": 1}'])
    page = client.post(f"/stories/{story.pk}/change/", {**SENT, "title": "Two lamps"})
    assert "Not saved. Column user has NUL in the key" in page.content.decode()


@pytest.mark.parametrize(
    ("applied", "sentence"),
    [(True, "Saved and replicated to MongoDB."), (False, "the story was not in MongoDB")],
)
def test_waiting_is_optional_and_reports_its_result(
    monkeypatch: pytest.MonkeyPatch, applied: bool, sentence: str
) -> None:
    waited: list[float] = []

    def wait(story: Story, seconds: float) -> bool:
        waited.append(seconds)
        return applied

    monkeypatch.setattr(replica_wait, "wait_until_applied", wait)
    _, client = person("ann")
    page = client.post("/stories/new/", {**SENT, "wait": "on"}, follow=True)
    assert sentence in page.content.decode()
    client.post("/stories/new/", SENT)
    assert waited == [replica_wait.SECONDS]


def test_the_trace_is_for_roles_that_may_open_the_feed() -> None:
    _, client = person("ann")
    client.post("/stories/new/", SENT)
    story = Story.objects.get()
    trace = f"/stories/{story.pk}/way/"
    assert trace not in client.get(f"/stories/{story.pk}/").content.decode()
    assert client.get(trace).status_code == 403
    worker = person("cid", UserType.TECHNICAL_WORKER)[1]
    assert trace in worker.get(f"/stories/{story.pk}/").content.decode()
    page = worker.get(trace).content.decode()
    assert f"Version {OutboxRecord.objects.get().pk} " in page
