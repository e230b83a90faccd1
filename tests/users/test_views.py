"""The front page, login, logout and changing a password."""

from typing import Any

import argon2
import pytest
from django.test import Client

from tests.users.conftest import PASSWORD, logged_in, sentences
from users.models import User, UserType

pytestmark = pytest.mark.django_db
NEW = "another-long-42"


def log_in(client: Client, email: str, password: str = PASSWORD, to: str = "") -> str:
    answer = client.post("/login/", {"username": email, "password": password, "next": to})
    return answer.headers.get("Location", answer.content.decode())


@pytest.mark.parametrize("email", ["ann@people.example", " Ann@People.EXAMPLE "])
def test_login_accepts_any_case_of_the_address(client: Client, ann: User, email: str) -> None:
    assert log_in(client, email) == "/customer/"
    page = client.get("/customer/").content.decode()
    assert "Hello, <bdi>Ann &lt;b&gt;</bdi>" in page
    assert 'href="/admin/"' not in page


@pytest.mark.parametrize("email", ["ann@people.example", "nobody@people.example"])
def test_wrong_password_and_unknown_address_look_the_same(
    client: Client, ann: User, email: str
) -> None:
    assert "Wrong e-mail address or password" in log_in(client, email, "wrong")


def test_disabled_account_cannot_log_in(client: Client, ann: User) -> None:
    User.objects.update(is_active=False)
    assert "Wrong e-mail address or password" in log_in(client, "ann@people.example")


@pytest.mark.parametrize("email", ["ann@people.example", "nobody@people.example"])
def test_unknown_address_takes_as_long_as_a_wrong_password(
    client: Client, ann: User, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    slow = argon2.low_level.hash_secret

    def count(*args: Any, **options: Any) -> bytes:
        hashed.append("hash")
        return slow(*args, **options)

    verify = argon2.PasswordHasher.verify

    def count_verified(self: Any, *args: Any) -> bool:
        hashed.append("verify")
        return verify(self, *args)

    monkeypatch.setattr("argon2.low_level.hash_secret", count)
    monkeypatch.setattr("argon2.PasswordHasher.verify", count_verified)
    log_in(client, email, "wrong")
    assert len(hashed) == 1


@pytest.mark.parametrize(
    ("role", "home"), [(role, f"/{role.value}/") for role in UserType], ids=list(UserType)
)
def test_each_role_has_its_own_home(client: Client, ann: User, role: str, home: str) -> None:
    ann.user_type = UserType(role)
    ann.save()
    assert log_in(client, ann.email) == home
    assert client.get("/").headers["Location"] == home


@pytest.mark.parametrize(
    ("to", "goes"),
    [
        ("/stories/?q=a", "/stories/?q=a"),
        ("https://evil.example/", "/customer/"),
        ("//evil.example", "/customer/"),
        ("///evil.example", "/customer/"),
        ("/\\evil.example", "/customer/"),
        ("https:evil.example", "/customer/"),
        ("javascript:alert(1)", "/customer/"),
        ("\x01javascript:alert(1)", "/customer/"),
    ],
)
def test_login_redirects_within_the_site(client: Client, ann: User, to: str, goes: str) -> None:
    assert log_in(client, ann.email, to=to) == goes


def test_login_starts_a_new_session(client: Client, ann: User) -> None:
    session = client.session
    session["kept"] = 1
    session.save()
    log_in(client, ann.email)
    assert client.session.session_key != session.session_key
    assert not type(session)(session.session_key).load()


def test_admin_uses_the_sites_login(client: Client, boss: User) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1] == ("/login/?next=%2Fadmin%2F", 302)
    assert 'name="next" value="/admin/"' in answer.content.decode()


def test_user_without_admin_access_gets_an_explanation(client: Client, ann: User) -> None:
    client.force_login(ann)
    page = client.get("/admin/", follow=True).content.decode()
    assert "ann@people.example. This account has no access to that page" in page


@pytest.mark.parametrize("to", ["/stories/?q=a", "/customer/", "/administration"])
def test_a_user_who_has_access_gets_a_link_to_the_page(client: Client, ann: User, to: str) -> None:
    client.force_login(ann)
    page = client.get("/login/", {"next": to}).content.decode()
    assert "has no access" not in page
    assert f'ann@people.example. <a href="{to}">Open the page</a>' in page


def test_staff_get_a_link_to_the_admin(as_boss: Client) -> None:
    page = as_boss.get("/login/?next=/admin/users/user/").content.decode()
    assert '<a href="/admin/users/user/">Open the page</a>' in page


@pytest.mark.parametrize("to", ["https://evil.example/", "javascript:alert(1)", "//evil.example"])
def test_the_login_page_links_within_the_site_only(client: Client, ann: User, to: str) -> None:
    client.force_login(ann)
    answers = [client.get("/login/", {"next": to})]
    wrong = {"username": ann.email, "password": "wrong", "next": to}
    answers += [client.post("/login/", wrong) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    for answer in answers:
        page = answer.content.decode()
        assert "Open the page" not in page
        assert f'href="{to}' not in page


def test_the_login_page_says_why_it_is_shown(client: Client) -> None:
    reason = "You need to log in to open that page."
    page = client.get("/stories/?q=a&topic=b", follow=True).content.decode()
    assert reason in page
    assert 'href="/register/?next=%2Fstories%2F%3Fq%3Da%26topic%3Db"' in page
    for path in ("/login/", "/login/?next=https://evil.example/", "/"):
        page = client.get(path).content.decode()
        assert reason not in page
        assert 'href="/register/"' in page
    wrong = {"username": "a@b.example", "password": "x", "next": "/stories/"}
    assert reason not in client.post("/login/", wrong).content.decode()


def test_logout_is_a_post(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert ">Log in</a>" in client.get("/").content.decode()
    assert client.get("/customer/").headers["Location"] == "/login/?next=/customer/"


def test_logout_without_a_token_is_refused(ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert client.post("/logout/").status_code == 403


def test_staff_see_a_link_to_the_admin(as_boss: Client) -> None:
    assert 'href="/admin/"' in as_boss.get("/stories/").content.decode()


def test_getting_the_logout_url_does_nothing_and_explains(client: Client, ann: User) -> None:
    client.force_login(ann)
    answer = client.get("/logout/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
    page = answer.content.decode()
    assert "use the Log out button in the account menu" in page
    assert "Ann &lt;b&gt;" in page
    assert client.get("/customer/").status_code == 200


def test_change_keeps_this_session_and_ends_the_others(ann: User) -> None:
    here, there = logged_in(ann), logged_in(ann)
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    page = here.post("/password/", data, follow=True)
    assert sentences(page) == ["Your password was changed."]
    assert here.get("/customer/").status_code == 200
    assert there.get("/customer/").status_code == 302
    ann.refresh_from_db()
    assert ann.check_password(NEW)


def test_a_user_can_leave_the_form_without_a_change(ann: User) -> None:
    page = logged_in(ann).get("/password/").content.decode()
    assert '<a class="btn btn-outline-secondary" href="/">Cancel</a>' in page
    assert 'href="/password/reset/"' in page


def test_change_asks_for_the_old_password(ann: User) -> None:
    data = {"old_password": "guess", "new_password1": NEW, "new_password2": NEW}
    assert "old_password" in logged_in(ann).post("/password/", data).context["form"].errors
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)
