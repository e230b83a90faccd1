"""Error pages: each says what happened, and a refusal names its reason."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory

from cdc.context import acting_as
from project.http.refusals import RefusalMiddleware
from stories.models import Status, Story
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def pages() -> Iterator[None]:
    with plain_static_files():
        yield


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(User.objects.create_user("ann@people.example", "x", name="Ann"))
    return client


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("/technical_worker/", "Technical Workers"),
        ("/senior_management/", "Senior Management"),
        ("/operations/", "Technical Workers and Senior Management"),
        ("/feed/", "Technical Workers and Senior Management"),
        ("/operations/pause/", "Technical Workers"),
        ("/operations/jobs/repair/", "Technical Workers"),
    ],
)
def test_a_page_of_other_roles_names_them(client: Client, path: str, roles: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 403
    assert f"Only {roles} can open this page. If" in answer.content.decode()


def test_the_refusal_of_another_users_story_names_no_role(client: Client) -> None:
    with acting_as("test"):
        story = Story.objects.create(title="T", href="http://a.example/", link="http://b.example/")
    answer = client.get(f"/stories/{story.pk}/change/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "This story belongs to another user, or it has been reviewed." in page
    assert "for the role" not in page


def test_the_style_guide_is_refused_without_a_reason(client: Client) -> None:
    page = client.get("/styleguide/").content.decode()
    assert "Your account may not open it." in page


def test_a_missing_page_does_not_name_the_models(client: Client) -> None:
    answer = client.get("/stories/?page=999999")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "<h1>Page not found</h1>" in page
    assert "Invalid page" not in page
    # The navigation stays, so that the way back is one click.
    assert '<nav class="sf-rail"' in page


@pytest.mark.parametrize("action", ["", "change/", "withdraw/"])
def test_a_removed_story_has_a_page_that_leads_to_the_stories(client: Client, action: str) -> None:
    answer = client.get(f"/stories/999999/{action}")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "This story does not exist, or it was removed." in page
    assert 'class="btn btn-primary" href="/stories/"' in page
    assert "matches the given query" not in page


def test_a_story_that_may_not_be_read_has_the_page_of_a_removed_one(client: Client) -> None:
    with acting_as("test"):
        hidden = Story.objects.create(title="T", link="http://b.example/", status=Status.REJECTED)
    pages = [client.get(f"/stories/{key}/") for key in (hidden.pk, 999999)]
    assert [page.status_code for page in pages] == [404, 404]
    texts = [page.content.decode().split("<main")[1] for page in pages]
    assert texts[0] == texts[1]


def test_an_icon_answers(client: Client) -> None:
    assert client.get("/favicon.ico").headers["Location"] == "/static/project/icon.svg"


def test_operators_are_users_of_a_role() -> None:
    user = User.objects.create_user(
        "b@people.example", "x", name="B", user_type=UserType.SENIOR_MANAGEMENT
    )
    client = Client()
    client.force_login(user)
    page = client.get("/operations/pause/").content.decode()
    assert "Only Technical Workers can open this page. If" in page


@pytest.mark.parametrize(
    "error",
    [
        OperationalError(2003, "Can't connect to server on 'db' (111)"),
        OperationalError(2013, "Lost connection to server during query"),
    ],
    ids=str,
)
def test_a_page_that_only_reads_shows_the_verdict_during_an_outage(
    error: OperationalError,
) -> None:
    """A visitor who changed nothing need not check whether a change was saved."""
    middleware = RefusalMiddleware(lambda _: HttpResponse())
    answer = middleware.process_exception(RequestFactory().get("/operations/"), error)
    assert answer is not None
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "The database is not responding. Try again in a moment." in page
    assert "change was saved" not in page
    assert "what you entered" not in page
