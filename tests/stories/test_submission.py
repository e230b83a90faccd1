"""People submit stories, correct them, and may wait for the copy."""

from collections.abc import Iterator

import pytest
from django.test import Client

from cdc.models import OutboxRecord
from stories import copy
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


def test_a_submitted_story_is_its_submitters_until_it_is_taken() -> None:
    user, client = person("ann")
    page = client.post("/stories/new/", SENT, follow=True).content.decode()
    assert "It is saved." in page
    assert "Correct this story" in page
    story = Story.objects.get()
    assert (story.submitted_by, story.status, story.href) == (user, "submitted", SENT["link"])
    change = f"/stories/{story.pk}/change/"
    assert person("bob")[1].get(change).status_code == 403
    Story.objects.update(status=Status.UPCOMING)
    assert client.get(change).status_code == 403
    assert person("cid", UserType.TECHNICAL_WORKER)[1].get(change).status_code == 200


def test_a_correction_writes_what_was_touched_only() -> None:
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
def test_what_is_not_one_is_refused_in_the_form() -> None:
    _, client = person("ann")
    page = client.post("/stories/new/", {**SENT, "link": "javascript:alert(1)"})
    assert "Enter a valid URL" in page.content.decode()
    page = client.post("/stories/new/", {**SENT, "description": "x" * 1_000_000})
    assert "900" in page.content.decode()
    assert not Story.objects.exists()


@pytest.mark.parametrize(
    ("applied", "sentence"),
    [(True, "It is saved, and in MongoDB too."), (False, "it is not in MongoDB yet")],
)
def test_who_asks_waits_and_is_told(
    monkeypatch: pytest.MonkeyPatch, applied: bool, sentence: str
) -> None:
    waited: list[float] = []

    def wait(story: Story, seconds: float) -> bool:
        waited.append(seconds)
        return applied

    monkeypatch.setattr(copy, "wait_until_applied", wait)
    _, client = person("ann")
    page = client.post("/stories/new/", {**SENT, "wait": "on"}, follow=True)
    assert sentence in page.content.decode()
    client.post("/stories/new/", SENT)
    assert waited == [copy.SECONDS]


def test_so_many_wait_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(copy.MOST_AT_ONCE):
        assert copy._room.acquire(blocking=False)
    try:
        arrived, sentence = copy.wait_for_copy(Story())
    finally:
        for _ in range(copy.MOST_AT_ONCE):
            copy._room.release()
    assert not arrived
    assert "was not waited for" in sentence


def test_its_way_is_for_those_who_read_the_feeds_pages() -> None:
    _, client = person("ann")
    client.post("/stories/new/", SENT)
    story = Story.objects.get()
    assert "Replication trace" not in client.get(f"/stories/{story.pk}/").content.decode()
    worker = person("cid", UserType.TECHNICAL_WORKER)[1]
    assert "Replication trace" in worker.get(f"/stories/{story.pk}/").content.decode()
    page = worker.get(f"/stories/{story.pk}/way/").content.decode()
    assert f"Version {OutboxRecord.objects.get().pk} " in page
