"""Registrations, and guesses of the old password, are limited per hour."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.users.conftest import PASSWORD, logged_in
from users.limits import PASSWORD_CHANGE, WINDOW, Limit, Reached
from users.models import ResetRequest, User

pytestmark = pytest.mark.django_db
LIMIT = Limit(purpose="test", per_account=2, per_network=3)
NEW = "another-long-42"


def register(email: str, address: str) -> int:
    data = {"email": email, "name": "N", "password1": NEW, "password2": NEW}
    return Client().post("/register/", data, REMOTE_ADDR=address).status_code


def change(client: Client, old: str) -> int:
    data = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    return client.post("/password/", data).status_code


def test_a_limit_counts_accounts_and_networks_for_one_purpose() -> None:
    other = Limit(purpose="other", per_account=1, per_network=1)
    found = [LIMIT.admit(email, "n") for email in ("a@x.org", " A@x.org", "a@x.org", "b@x.org")]

    assert found == [True, True, False, True]
    assert not LIMIT.admit("c@x.org", "n")
    assert LIMIT.admit("c@x.org", "m")
    assert other.admit("a@x.org", "n")
    assert [LIMIT.admit("", "") for _ in range(5)] == [True] * 5


def test_the_limit_that_is_reached_is_named() -> None:
    found = [LIMIT.reached("a@x.org", network) for network in ("k", "l", "m")]
    assert found == [None, None, Reached.ACCOUNT]
    found = [LIMIT.reached(f"{number}@x.org", "n") for number in range(4)]
    assert found == [None, None, None, Reached.NETWORK]
    assert LIMIT.reached("a@x.org", "n") is Reached.NETWORK


def test_a_refused_attempt_does_not_extend_a_limit() -> None:
    for _ in range(9):
        LIMIT.admit("a@x.org", "n")
    assert ResetRequest.objects.count() == 2
    ResetRequest.objects.update(at=timezone.now() - WINDOW - timedelta(seconds=1))
    assert LIMIT.admit("a@x.org", "n")


def test_registrations_from_a_network_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("users.views.REGISTRATION", LIMIT)
    network = [f"2001:db9:1:2::{number}" for number in range(5)]

    found = [register(f"{n}@people.example", address) for n, address in enumerate(network)]

    assert found == [302, 302, 302, 429, 429]
    assert register("6@people.example", "2001:db9:1:3::1") == 302
    assert User.objects.filter(email__endswith="@people.example").count() == 4


def test_a_refused_registration_keeps_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "users.views.REGISTRATION", Limit(purpose="t", per_account=0, per_network=0)
    )
    data = {"email": "a\0" + "@x.org" * 500, "name": "Typed"}
    page = Client().post("/register/", data).content.decode()
    assert "Too many registrations from your network" in page
    assert 'value="Typed"' in page


def test_a_refused_registration_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, words in (
        (Limit(purpose="t", per_account=0, per_network=9), "with this e-mail address"),
        (Limit(purpose="t", per_account=9, per_network=0), "from your network"),
    ):
        monkeypatch.setattr("users.views.REGISTRATION", limit)
        page = Client().post("/register/", {"email": "a@x.org"}).content.decode()
        assert f"Too many registrations {words}. Wait an hour." in page


def test_a_stolen_session_cannot_guess_the_password(ann: User) -> None:
    stolen = logged_in(ann)

    found = [change(stolen, f"guess {number}") for number in range(11)]

    assert found == [200] * 10 + [429]
    assert change(stolen, PASSWORD) == 429
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)


def test_a_limit_does_not_tell_whether_the_password_is_right(ann: User) -> None:
    stolen = logged_in(ann)
    PASSWORD_CHANGE.admit(ann.email, "")
    ResetRequest.objects.bulk_create(
        ResetRequest(purpose=PASSWORD_CHANGE.purpose, email=ann.email) for _ in range(9)
    )
    pages = []
    for old in ("wrong", PASSWORD):
        data = {"old_password": old, "new_password1": "a", "new_password2": "b"}
        page = stolen.post("/password/", data).content.decode()
        assert "Too many attempts" in page
        pages.append(re.sub(r'value="[^"]{40,}"', "", page))
    assert pages[0] == pages[1]


def test_a_limit_does_not_reveal_whether_an_account_exists(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = Limit(purpose="t", per_account=0, per_network=0)
    monkeypatch.setattr("users.views.REGISTRATION", none)
    page = Client().post("/register/", {"email": ann.email}).content.decode()
    assert "Too many registrations" in page
    assert "already exists" not in page
