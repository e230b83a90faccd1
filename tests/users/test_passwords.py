"""Passwords and the session cookie, as docs/security.md describes them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from project import settings
from project.config import hashers
from tests.users.conftest import PASSWORD
from users.models import User

pytestmark = pytest.mark.django_db
TWELVE_HOURS = 12 * 3600
NEW = "another-long-42"


@pytest.mark.parametrize("length", [12, 64, 128])
def test_the_length_of_a_password_is_bounded(length: int) -> None:
    password = ("x-7 Q" * 30)[:length]
    validate_password(password)
    for wrong in ((password[:11]), password + "y" * (129 - length)):
        with pytest.raises(ValidationError):
            validate_password(wrong)


@pytest.mark.parametrize("password", ["x-7 Q" * 25, "пароль 密码 🐘 é é", " a  b   c    d "])
def test_each_character_of_a_password_counts(client: Client, password: str) -> None:
    form = {"email": "a@b.example", "name": "A", "password1": password, "password2": password}
    assert client.post("/register/", form).status_code == 302
    user = User.objects.get()
    assert user.check_password(password)
    assert not user.check_password(password[:-1])
    assert not user.check_password(password + " ")


@pytest.mark.parametrize("name", ["encode", "verify"])
def test_few_passwords_are_hashed_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = Barrier(hashers.MOST_AT_ONCE + 1)

    def hash_slowly(*_: str) -> bool:
        try:
            together.wait(3)
        except BrokenBarrierError:
            return False
        return True

    monkeypatch.setattr(Argon2PasswordHasher, name, hash_slowly)
    site: Any = import_string(settings.PASSWORD_HASHERS[0])()
    with ThreadPoolExecutor(together.parties) as pool:
        found = list(pool.map(lambda _: getattr(site, name)("a", "b"), range(together.parties)))
    assert not any(found)


def test_a_password_is_stored_as_a_salted_hash() -> None:
    assert settings.PASSWORD_HASHERS[0].endswith(".Argon2PasswordHasher")
    hashes = {make_password(PASSWORD, hasher=Argon2PasswordHasher()) for _ in range(2)}
    assert len(hashes) == 2
    assert all(each.startswith("argon2$argon2id$") for each in hashes)


def test_no_secret_question_is_asked(client: Client) -> None:
    fields = {
        name for path in ("/register/", "/password/reset/") for name in form_of(client, path).fields
    }
    assert fields == {"email", "name", "password1", "password2"}


@pytest.mark.parametrize("path", ["/login/", "/register/"])
def test_a_password_in_a_url_is_ignored(client: Client, ann: User, path: str) -> None:
    new = {"email": "new@b.example", "name": "A", "password1": PASSWORD, "password2": PASSWORD}
    answer = client.get(path, {"username": ann.email, "password": PASSWORD, **new})
    assert '<form method="post"' in answer.content.decode()
    assert "sessionid" not in client.cookies
    assert User.objects.count() == 1


def form_of(client: Client, path: str) -> Any:
    return client.get(path).context["form"]


def test_the_session_cookie_is_for_the_browser_only(client: Client, ann: User) -> None:
    answer = client.post("/login/", {"username": ann.email, "password": PASSWORD})
    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] in range(TWELVE_HOURS - 60, TWELVE_HOURS + 1)
    assert (cookie["domain"], len(cookie.value)) == ("", 32)
    assert cookie.value not in answer.headers["Location"]
    assert client.session.get_expiry_age() in range(TWELVE_HOURS - 60, TWELVE_HOURS + 1)


def test_a_session_ends_twelve_hours_after_the_login_whatever_it_stores(
    client: Client, ann: User
) -> None:
    client.post("/login/", {"username": ann.email, "password": PASSWORD})
    ends = client.session.get_expiry_date()

    session = client.session
    session["a message"] = "that does not fit into its cookie"
    session.save()
    changed = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post("/password/", changed).status_code == 302

    assert client.session.get_expiry_date() == ends
    assert Session.objects.get(pk=client.session.session_key).expire_date == ends


def test_a_page_names_its_type(client: Client) -> None:
    answer = client.get("/login/", headers={"Origin": "https://evil.example"})
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_password_does_not_expire(client: Client, ann: User) -> None:
    long_ago = timezone.now() - timedelta(days=3_650)
    User.objects.filter(pk=ann.pk).update(date_joined=long_ago, last_login=long_ago)
    answer = client.post("/login/", {"username": ann.email, "password": PASSWORD})
    assert answer.headers["Location"] == "/customer/"


def test_failed_logins_and_refused_requests_are_logged(
    client: Client, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/login/", {"username": ann.email, "password": "a wrong one"})
    client.post("/login/", {"username": ann.email, "password": PASSWORD})
    assert client.get("/technical_worker/").status_code == 403
    for sentence in ("New login failure by", "/technical_worker/"):
        assert sentence in caplog.text
    for secret in ("a wrong one", PASSWORD, client.cookies["sessionid"].value):
        assert secret not in caplog.text
