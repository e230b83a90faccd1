"""If a script's user has lost access, the browser leaves or reloads the page."""

from collections.abc import Iterator

import pytest
from django.test import Client

from stories.models import Story
from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = pytest.mark.django_db
SCRIPT = {"HX-Request": "true"}
LINK = {**SCRIPT, "HX-Boosted": "true", "HX-Current-URL": "http://testserver/stories/"}
PAGE = {**SCRIPT, "HX-Current-URL": "http://testserver/stories/new/?a=b"}


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_static_files():
        yield


@pytest.fixture
def customer() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("ann@people.example", name="Ann"))
    return client


def test_a_link_leads_to_the_login_and_then_to_its_own_page() -> None:
    answer = Client().get("/stories/?sort=diggs", headers=LINK)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["HX-Redirect"] == "/login/?next=/stories/%3Fsort%3Ddiggs"


@pytest.mark.parametrize("path", ["/stories/new/check/?link=x", "/operations/state/"])
def test_a_part_of_a_page_leads_to_the_login_and_then_to_the_page(path: str) -> None:
    answer = Client().get(path, headers=PAGE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["HX-Redirect"] == "/login/?next=/stories/new/%3Fa%3Db"


@pytest.mark.parametrize("page", ["http://evil.example/stories/", "http://[", ""])
def test_a_page_of_another_site_is_not_opened_after_the_login(page: str) -> None:
    answer = Client().get("/operations/state/", headers={**SCRIPT, "HX-Current-URL": page})
    assert answer.headers["HX-Redirect"] == "/login/?next=/"


def test_a_part_of_a_page_without_access_reloads_the_page(customer: Client) -> None:
    answer = customer.get("/operations/state/", headers=PAGE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["HX-Refresh"] == "true"


def test_a_link_without_access_opens_the_page_that_says_so(customer: Client) -> None:
    answer = customer.get("/operations/?x=1", headers=LINK)
    assert answer.headers["HX-Redirect"] == "/operations/?x=1"


def test_a_refused_write_stays_an_error_that_the_script_names() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("bob@people.example", name="Bob"))
    answer = client.post("/stories/1/digg/", headers=PAGE)
    assert answer.status_code == 403
    assert "HX-Refresh" not in answer.headers


def test_other_responses_are_unchanged(customer: Client) -> None:
    Story.objects.create(title="A heron", href="http://a.example/", link="http://a.example/")
    assert "A heron" in customer.get("/stories/", headers=LINK).content.decode()
    assert customer.get("/stories/?q=", headers=LINK).status_code == 302
    assert customer.get("/stories/404404/", headers=LINK).status_code == 404
    assert customer.get("/operations/").status_code == 403
    assert Client().get("/stories/").status_code == 302
