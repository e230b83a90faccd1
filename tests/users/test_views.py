"""Logging in and out, and the front door."""

import pytest
from django.test import Client

from tests.users.conftest import PASSWORD
from users.models import User

pytestmark = pytest.mark.django_db


def log_in(client: Client, email: str, password: str = PASSWORD, to: str = "") -> str:
    answer = client.post("/login/", {"username": email, "password": password, "next": to})
    return answer.headers.get("Location", answer.content.decode())


@pytest.mark.parametrize("email", ["ann@people.example", " Ann@People.EXAMPLE "])
def test_login_takes_any_case_of_the_address(client: Client, ann: User, email: str) -> None:
    assert log_in(client, email) == "/"
    page = client.get("/").content.decode()
    assert "Hello, Ann &lt;b&gt;" in page
    assert "ann@people.example" in page
    assert "Open the admin" not in page


@pytest.mark.parametrize("email", ["ann@people.example", "nobody@people.example"])
def test_wrong_password_and_unknown_address_look_the_same(
    client: Client, ann: User, email: str
) -> None:
    assert "No account has this e-mail address and password" in log_in(client, email, "wrong")


def test_closed_account_cannot_log_in(client: Client, ann: User) -> None:
    User.objects.update(is_active=False)
    assert "No account has" in log_in(client, "ann@people.example")


@pytest.mark.parametrize(
    ("to", "goes"),
    [("/admin/", "/admin/"), ("https://evil.example/", "/"), ("//evil.example", "/")],
)
def test_login_goes_on_within_the_site_only(client: Client, boss: User, to: str, goes: str) -> None:
    assert log_in(client, boss.email, to=to) == goes


def test_admin_uses_the_sites_login(client: Client, boss: User) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1] == ("/login/?next=%2Fadmin%2F", 302)
    assert 'name="next" value="/admin/"' in answer.content.decode()


def test_who_may_not_open_the_admin_is_told_so(client: Client, ann: User) -> None:
    client.force_login(ann)
    page = client.get("/admin/", follow=True).content.decode()
    assert "You are logged in as ann@people.example, who may not open that page" in page


def test_logout_is_a_post(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert "You are not logged in" in client.get("/").content.decode()


def test_logout_without_a_token_is_refused(ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert client.post("/logout/").status_code == 403


def test_staff_find_the_admin(as_boss: Client) -> None:
    assert 'href="/admin/"' in as_boss.get("/").content.decode()
