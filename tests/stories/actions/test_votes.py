"""Diggs: one for each user and story, counted exactly, with an event by the user."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import orjson
import pytest
from django.db import connections
from django.test import Client

from cdc.context import acting_as
from cdc.models import OutboxRecord
from stories.models import Status, Story, Vote
from stories.validators import LARGEST_COUNT
from tests.support.static_files import plain_static_files
from users.deletion.accounts import delete_accounts
from users.models import User

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
SCRIPT = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_static_files():
        yield


@pytest.fixture
def story() -> Story:
    with acting_as("test"):
        made = Story.objects.create(title="A", href="http://a.example/", link="http://a.example/")
    OutboxRecord.objects.all().delete()
    return made


def person(name: str = "ann") -> tuple[User, Client]:
    user = User.objects.create_user(f"{name}@people.example", name=name)
    client = Client()
    client.force_login(user)
    return user, client


def diggs(story: Story) -> tuple[int, int]:
    """Return the story's `diggs`, and the number of its votes."""
    story.refresh_from_db()
    return story.diggs, story.votes.count()


def events() -> list[tuple[str, str, int]]:
    """Return the operation, the actor and the new number of each event."""
    records = OutboxRecord.objects.order_by("id")
    return [(each.op, each.user, orjson.loads(each.after or b"")["diggs"]) for each in records]


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Call the functions at the same time, each in its own thread; return their results."""
    start = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            start.wait(60)
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_a_digg_counts_once_and_is_undone(story: Story) -> None:
    user, client = person()
    for action, expected in (
        ("digg", (1, 1)),
        ("digg", (1, 1)),
        ("undo_digg", (0, 0)),
        ("undo_digg", (0, 0)),
    ):
        answer = client.post(f"/stories/{story.pk}/{action}/", {"next": "/stories/?sort=diggs"})
        assert answer.headers["Location"] == "/stories/?sort=diggs"
        assert diggs(story) == expected, action
    assert events() == [("u", str(user.pk), 1), ("u", str(user.pk), 0)]


def test_a_script_gets_only_the_vote(story: Story) -> None:
    _, client = person()
    page = client.post(f"/stories/{story.pk}/digg/", headers=SCRIPT).content.decode()
    assert "<html" not in page
    assert f"/stories/{story.pk}/undo_digg/" in page
    page = client.post(f"/stories/{story.pk}/undo_digg/", headers=SCRIPT).content.decode()
    assert f"/stories/{story.pk}/digg/" in page


def test_a_script_of_a_user_who_is_logged_out_loads_the_login_page(story: Story) -> None:
    page = {"HX-Current-URL": "http://testserver/stories/?sort=diggs"}
    answer = Client().post(f"/stories/{story.pk}/digg/", headers=SCRIPT | page)
    assert answer.headers["HX-Redirect"] == "/login/?next=/stories/%3Fsort%3Ddiggs"
    assert diggs(story) == (0, 0)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "https://evil.example/", "", "stories/", "/\\evil.example", "/\0"]
)
def test_a_vote_leads_to_pages_of_this_site_only(story: Story, path: str) -> None:
    _, client = person()
    answer = client.post(f"/stories/{story.pk}/digg/", {"next": path})
    assert "evil" not in answer.headers["Location"]
    assert answer.headers["Location"].startswith("/")


def test_a_rejected_story_takes_no_digg_but_returns_one(story: Story) -> None:
    user, client = person()
    Vote.objects.create(story=story, user=user)
    Story.objects.update(status=Status.REJECTED, diggs=5)
    _, other = person("bob")
    page = other.post(f"/stories/{story.pk}/digg/", {"next": "/stories/"}, follow=True)
    assert "You cannot dig a rejected story." in page.content.decode()
    refreshed = other.post(f"/stories/{story.pk}/digg/", headers=SCRIPT)
    assert refreshed.headers["HX-Refresh"] == "true"
    assert diggs(story) == (5, 1)
    client.post(f"/stories/{story.pk}/undo_digg/")
    assert diggs(story) == (4, 0)


def test_a_missing_story_is_404(story: Story) -> None:
    _, client = person()
    client.post(f"/stories/{story.pk}/digg/")
    Story.objects.get().delete()
    assert not Vote.objects.exists()
    for action in ("digg", "undo_digg"):
        for key in (story.pk, 0, 2**63):
            assert client.post(f"/stories/{key}/{action}/").status_code == 404


@pytest.mark.parametrize(("stored", "action"), [(LARGEST_COUNT, "digg"), (0, "undo_digg")])
def test_the_number_stays_within_its_limits(story: Story, stored: int, action: str) -> None:
    user, client = person()
    if action == "undo_digg":
        Vote.objects.create(story=story, user=user)
    Story.objects.update(diggs=stored)
    assert client.post(f"/stories/{story.pk}/{action}/").status_code == 302
    assert diggs(story) == (stored, 0)


def test_votes_at_once_are_all_counted(story: Story) -> None:
    people = [person(name) for name in "abcd"]
    path = f"/stories/{story.pk}/digg/"
    acts = [lambda client=client: client.post(path).status_code for _, client in people]
    assert together(*acts) == [302] * 4
    assert diggs(story) == (4, 4)
    assert sorted(number for *_, number in events()) == [1, 2, 3, 4]


def test_a_double_click_counts_once(story: Story) -> None:
    user, _ = person()
    clients = [Client() for _ in range(3)]
    for client in clients:
        client.force_login(user)
    path = f"/stories/{story.pk}/digg/"
    acts = [lambda client=client: client.post(path).status_code for client in clients]
    assert together(*acts) == [302] * 3
    assert diggs(story) == (1, 1)
    assert len(events()) == 1


def test_the_votes_of_a_deleted_account_stay_counted(story: Story) -> None:
    user, client = person()
    client.post(f"/stories/{story.pk}/digg/")
    assert delete_accounts([user]).deleted == 1
    assert diggs(story) == (1, 0)
