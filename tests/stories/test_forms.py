"""The forms to submit and edit stories, which can wait for the replica."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test import Client

from cdc.models import OutboxRecord
from stories import replica_wait
from stories.forms import DUPLICATE
from stories.models import Status, Story
from tests.stories.actions.test_votes import together
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
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
    assert ">Edit</a>" in page
    story = Story.objects.get()
    assert (story.submitted_by, story.status, story.href) == (user, "submitted", SENT["link"])
    change = f"/stories/{story.pk}/change/"
    assert change in page
    assert person("bob")[1].get(change).status_code == 403
    Story.objects.update(status=Status.UPCOMING)
    assert client.get(change).status_code == 403
    assert person("cid", UserType.TECHNICAL_WORKER)[1].get(change).status_code == 200


def test_an_empty_form_says_what_is_missing() -> None:
    page = person("ann")[1].post("/stories/new/", {}).content.decode()
    assert "Enter the address of the page." in page
    assert "Enter a title." in page
    assert "This field is required." not in page


def test_the_limits_of_the_fields_are_counted_by_the_script() -> None:
    page = person("ann")[1].get("/stories/new/").content.decode()
    counted = re.findall(r"<input[^>]*data-count[^>]*>", page)
    assert [re.findall(r'maxlength="(\d+)"', each) for each in counted] == [["500"], ["255"]]
    assert "/static/project/forms.js" in page


def test_the_header_marks_the_page_for_submissions() -> None:
    _, client = person("ann")
    mark = 'href="/stories/new/" aria-current="page"'
    assert mark in client.get("/stories/new/").content.decode()
    assert mark not in client.get("/stories/").content.decode()


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
@pytest.mark.parametrize(
    ("event", "sentence"),
    [("reviewed", "The story was reviewed"), ("deleted", "The story was deleted")],
)
def test_a_story_cannot_be_changed_after_a_simultaneous_review(
    monkeypatch: pytest.MonkeyPatch, event: str, sentence: str
) -> None:
    _, client = person("ann")
    client.post("/stories/new/", SENT)
    story = Story.objects.get()

    @contextmanager
    def after_the_check(_: str) -> Iterator[None]:
        stories = Story.objects.filter(pk=story.pk)
        if event == "reviewed":
            stories.update(status=Status.POPULAR)
        else:
            stories.delete()
        with transaction.atomic():
            yield

    monkeypatch.setattr("stories.views.alone_with", after_the_check)
    answer = client.post(f"/stories/{story.pk}/change/", {**SENT, "title": "Buy a lamp"})
    page = answer.content.decode()
    assert f"Nothing was changed. {sentence} in the meantime." in page
    assert 'value="Buy a lamp"' in page
    assert not Story.objects.filter(title="Buy a lamp")


def test_an_invalid_story_is_refused_in_the_form() -> None:
    _, client = person("ann")
    page = client.post("/stories/new/", {**SENT, "link": "javascript:alert(1)"})
    assert "Enter a valid URL" in page.content.decode()
    page = client.post("/stories/new/", {**SENT, "link": "http://a.example\\@b.example/"})
    assert "Write the address with slashes, not backslashes." in page.content.decode()
    page = client.post("/stories/new/", {**SENT, "title": "\u202e\u2066"})
    assert "Enter text with visible characters." in page.content.decode()
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
    _, client = person("ann", UserType.TECHNICAL_WORKER)
    page = client.post("/stories/new/", {**SENT, "wait": "on"}, follow=True)
    assert sentence in page.content.decode()
    client.post("/stories/new/", {**SENT, "link": "http://b.example/"})
    assert (waited, Story.objects.count()) == ([replica_wait.SECONDS], 2)


@pytest.mark.parametrize(("role", "offered"), [("customer", False), ("technical_worker", True)])
def test_waiting_is_offered_to_roles_that_know_mongodb(role: UserType, offered: bool) -> None:
    page = person("ann", role)[1].get("/stories/new/").content.decode()
    assert ("MongoDB" in page) == offered
    assert ("Wait for replication" in page) == offered


def test_a_user_who_is_not_offered_to_wait_cannot_take_a_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[Story] = []
    monkeypatch.setattr(replica_wait, "wait_until_applied", lambda story, _: waited.append(story))
    _, client = person("ann")
    page = client.post("/stories/new/", {**SENT, "wait": "on"}, follow=True).content.decode()
    story = Story.objects.get()
    client.post(f"/stories/{story.pk}/change/", {**SENT, "title": "New", "wait": "on"})
    story.refresh_from_db()
    assert ("Saved." in page, story.title, waited) == (True, "New", [])


def test_the_form_begins_with_the_address_and_marks_optional_fields() -> None:
    Story.objects.create(title="A", link="http://x.example/", topic={"name": "Tea", "icon": 7})
    _, client = person("ann")
    page = client.get("/stories/new/").content.decode()
    labels = [
        re.sub(r"<[^>]*>|\*", "", text).strip()
        for text in re.findall(r"<label[^>]*>(.*?)</label>", page, re.DOTALL)
    ]
    form = labels[labels.index("Link") :]
    assert form == ["Link", "Title", "Topic (optional)", "Description (optional)"]
    client.post("/stories/new/", {**SENT, "topic": "Tea"})
    story = Story.objects.get(title=SENT["title"])
    assert story.topic == {"name": "Tea", "icon": 7}
    assert story.status == Status.SUBMITTED
    refused = client.post("/stories/new/", {**SENT, "link": "http://c.example/", "topic": "Ale"})
    assert list(refused.context["form"].errors) == ["topic"]
    change = f"/stories/{story.pk}/change/"
    client.post(change, {**SENT, "topic": "Tea", "title": "New"})
    story.refresh_from_db()
    assert (story.title, story.topic) == ("New", {"name": "Tea", "icon": 7})
    client.post(change, {**SENT, "topic": ""})
    story.refresh_from_db()
    assert story.topic == {}


SAME = (
    "http://paper.example/a/b?x=1",
    "https://paper.example/a/b?x=1",
    "https://www.paper.example/a/b/?x=1",
    "HTTP://PAPER.example:80/a/b?x=1#top",
    "https://paper.example./a/b?x=1&utm_source=mail&fbclid=7",
    "paper.example/a/b?x=1",
)
OTHERS = (
    "http://paper.example/A/b?x=1",
    "http://paper.example/a/b?x=2",
    "http://paper.example/a/b",
    "http://paper.example:8080/a/b?x=1",
    "http://news.paper.example/a/b?x=1",
    "http://paper.example/a/b?x=1#!/page",
)


@pytest.mark.database
@pytest.mark.parametrize("first", SAME[:4])
def test_an_address_is_submitted_once(first: str) -> None:
    _, client = person("ann")
    client.post("/stories/new/", {**SENT, "link": first, "title": "First"})
    for link in SAME:
        check = client.get("/stories/new/check/", {"link": link}).content.decode()
        assert "This link was submitted before" in check, link
        assert "First" in check
        page = client.post("/stories/new/", {**SENT, "link": link})
        assert DUPLICATE in page.content.decode(), link
        assert page.context["form"]["title"].value() == SENT["title"]
    assert Story.objects.count() == 1
    for link in OTHERS:
        assert client.get("/stories/new/check/", {"link": link}).content.strip() == b"", link
        assert client.post("/stories/new/", {**SENT, "link": link}).status_code == 302, link
    assert Story.objects.count() == 1 + len(OTHERS)


@pytest.mark.parametrize("link", ["", "x", "http://[", "ftp://a.example/", "\0", "9" * 600])
def test_the_check_of_an_address_takes_any_text(link: str) -> None:
    _, client = person("ann")
    for story in ("", "1", "x", "9" * 4_400):
        answer = client.get("/stories/new/check/", {"link": link, "story": story})
        assert (answer.status_code, answer.content.strip()) == (200, b"")


def test_an_edit_may_keep_its_address_but_not_take_another() -> None:
    _, client = person("ann")
    client.post("/stories/new/", SENT)
    client.post("/stories/new/", {**SENT, "link": "http://b.example/"})
    change = f"/stories/{Story.objects.get(link=SENT['link']).pk}/change/"
    assert client.post(change, {**SENT, "title": "New"}).status_code == 302
    page = client.post(change, {**SENT, "link": "https://b.example"})
    assert DUPLICATE in page.content.decode()
    assert not Story.objects.filter(link="https://b.example/").exists()


def test_the_address_of_a_rejected_story_is_known_but_its_story_is_not_shown() -> None:
    Story.objects.create(title="Spam", link=SENT["link"], status=Status.REJECTED)
    _, client = person("ann")
    check = client.get("/stories/new/check/", {"link": SENT["link"]}).content.decode()
    assert "the story was rejected" in check
    assert "Spam" not in check


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_an_address_submitted_by_several_users_at_once_is_one_story() -> None:
    clients = [person(name)[1] for name in "abcd"]
    acts = [lambda client=client: client.post("/stories/new/", SENT) for client in clients]
    answers = together(*acts)
    assert Story.objects.count() == 1
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 302]


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
