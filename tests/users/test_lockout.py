"""Five failed logins from a client address lock the account for this address for ten minutes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connections
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from tests.support.hashers import LightArgon2PasswordHasher
from tests.users.conftest import PASSWORD
from users.lockout import locked_accounts, login_name
from users.models import User

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
HERE, THERE = "198.51.100.7", "203.0.113.9"
WRONG = "wrong"


def attempt(
    email: str, password: str = WRONG, address: str = HERE, forwarded: str | None = None
) -> Any:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    data = {"username": email, "password": password}
    return Client().post("/login/", data, REMOTE_ADDR=address, headers=headers)


def lock(email: str, **options: Any) -> None:
    assert [attempt(email, **options).status_code for _ in range(5)] == [200] * 4 + [429]


def test_five_failures_lock_with_an_explanation(ann: User) -> None:
    lock(ann.email)
    answer = attempt(ann.email, PASSWORD)
    assert answer.status_code == 429
    assert "Wait 10 minutes" in answer.content.decode()
    assert 'value="ann@people.example"' in answer.content.decode()


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("email", ["ann@people.example", "nobody@people.example"])
def test_simultaneous_logins_do_not_evade_it(
    ann: User, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, examined = Barrier(8), []

    def examine(_: object, password: str, *more: str) -> bool:
        examined.append(password)
        with suppress(BrokenBarrierError):
            together.wait(3)
        return False

    def run(number: int) -> int:
        try:
            return int(attempt(email, f"{WRONG}{number}").status_code)
        finally:
            connections.close_all()

    for name in ("verify", "encode"):  # an unknown address takes as long as a known one
        monkeypatch.setattr(LightArgon2PasswordHasher, name, examine)
    with ThreadPoolExecutor(together.parties) as pool:
        found = list(pool.map(run, range(together.parties)))
    assert (found.count(200), found.count(429)) == (4, 4)
    assert len(examined) == 5


def test_unknown_address_is_locked_too(ann: User) -> None:
    lock("nobody@people.example")


def test_lock_is_for_the_account_and_the_address(ann: User, boss: User) -> None:
    lock(ann.email)
    assert attempt(boss.email, PASSWORD).status_code == 302
    assert attempt(ann.email, PASSWORD, THERE).status_code == 302
    assert attempt(ann.email, PASSWORD).status_code == 429


def test_capitals_do_not_evade_it(ann: User) -> None:
    for email in ("Ann@people.example", "aNN@people.example", " ann@PEOPLE.example "):
        attempt(email)
    attempt(ann.email)
    assert attempt("ANN@people.example").status_code == 429


def test_forged_header_does_not_evade_it(ann: User) -> None:
    for number in range(4):
        attempt(ann.email, forwarded=f"10.0.0.{number}")
    assert attempt(ann.email, forwarded="10.0.0.9").status_code == 429


def test_header_of_a_trusted_proxy_counts(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("users.client_address._proxies", lambda: ("10.0.0.0/8",))
    for number in range(5):
        attempt(ann.email, address="10.0.0.1", forwarded=f"198.51.100.{number}, {THERE}")
    assert attempt(ann.email, PASSWORD, THERE).status_code == 429
    assert attempt(ann.email, PASSWORD, "10.0.0.1", "198.51.100.1, 10.0.0.2").status_code == 302


def test_lock_ends(ann: User) -> None:
    lock(ann.email)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=11))
    assert attempt(ann.email, PASSWORD).status_code == 302


def test_success_resets_the_failures(ann: User) -> None:
    for _ in range(4):
        attempt(ann.email)
    attempt(ann.email, PASSWORD)
    assert attempt(ann.email).status_code == 200


def test_password_is_not_stored_with_a_failure(ann: User) -> None:
    attempt(ann.email, "my-other-secret")
    stored = AccessAttempt.objects.get()
    assert "my-other-secret" not in f"{stored.post_data}{stored.get_data}"


@override_settings(AXES_COOLOFF_TIME=timedelta(minutes=3))
def test_explanation_names_the_minutes(ann: User) -> None:
    lock(ann.email)
    assert "Wait 3 minutes" in attempt(ann.email).content.decode()


@override_settings(AXES_COOLOFF_TIME=timedelta(minutes=2, seconds=59))
def test_lock_page_keeps_where_the_user_wanted_to_go(ann: User) -> None:
    lock(ann.email)
    data = {"username": ann.email, "password": WRONG}
    for more, value in (({"next": "/stories/?q=a"}, "/stories/?q=a"), ({}, "")):
        page = Client().post("/login/", {**data, **more}, REMOTE_ADDR=HERE).content.decode()
        assert f'<input type="hidden" name="next" value="{value}">' in page
        assert 'name="csrfmiddlewaretoken"' in page
        assert (
            "Too many failed logins for this e-mail address. Wait 2 minutes, then try again. Until "
            "then, even the correct password is refused.</div>"
        ) in page


@pytest.mark.parametrize(
    ("credentials", "posted", "expected"),
    [
        ({"username": " Ann@X.org "}, {"username": "b@x.org"}, "ann@x.org"),
        ({"username": ""}, {"username": " B@x.org"}, "b@x.org"),
        ({}, {"username": "b@x.org"}, "b@x.org"),
        (None, {"username": "b@x.org"}, "b@x.org"),
        (None, {}, ""),
        ({"username": 7}, {}, "7"),
        ({"username": "A" * 300}, {}, "a" * 255),
    ],
)
def test_a_login_attempt_is_counted_for_a_normalized_address(
    credentials: Any, posted: dict[str, str], expected: str
) -> None:
    assert login_name(RequestFactory().post("/login/", posted), credentials) == expected


def test_addresses_of_one_ipv6_network_are_counted_together(ann: User) -> None:
    addresses = [f"2001:db9:1:2::{number:x}:1" for number in range(40)]
    found = [attempt(ann.email, address=address).status_code for address in addresses]

    assert found == [200] * 4 + [429] * 36
    assert attempt(ann.email, PASSWORD, "2001:db9:1:2:ffff::1").status_code == 429
    assert attempt(ann.email, PASSWORD, "2001:db9:1:3::1").status_code == 302


def test_ipv4_addresses_in_ipv6_notation_are_no_other_addresses(ann: User) -> None:
    for address in (HERE, f"::ffff:{HERE}", f"[::ffff:{HERE}]:443", HERE, f"::FFFF:{HERE}"):
        attempt(ann.email, address=address)
    assert attempt(ann.email, PASSWORD).status_code == 429
    assert attempt(ann.email, PASSWORD, f"::ffff:{THERE}").status_code == 302


def test_another_browser_does_not_evade_it(ann: User) -> None:
    data = {"username": ann.email, "password": WRONG}
    for number in range(5):
        agent = {"User-Agent": f"browser {number}" * 100}
        Client().post("/login/", data, REMOTE_ADDR=HERE, headers=agent)
    assert attempt(ann.email, PASSWORD).status_code == 429


def test_locked_accounts_are_counted_over_all_browsers(ann: User, boss: User) -> None:
    def fail(email: str, times: int, browser: str, address: str = HERE) -> None:
        data = {"username": email, "password": WRONG}
        for _ in range(times):
            agent = {"User-Agent": browser}
            Client().post("/login/", data, REMOTE_ADDR=address, headers=agent)

    for browser, times in (("one", 3), ("two", 2)):
        fail(ann.email, times, browser)
        fail(ann.email, times, browser, THERE)
    fail(boss.email, 4, "one")
    fail(boss.email, 1, "one", THERE)
    found = [(row["username"], row["ip_address"]) for row in locked_accounts()]
    assert sorted(found) == [(ann.email, HERE), (ann.email, THERE)]
    assert locked_accounts().count() == 2

    old = timezone.now() - timedelta(minutes=11)
    AccessAttempt.objects.filter(ip_address=HERE, user_agent="two").update(attempt_time=old)
    assert locked_accounts().count() == 1


def test_attempts_during_a_lock_do_not_extend_it(ann: User) -> None:
    lock(ann.email)
    began = AccessAttempt.objects.get()
    for _ in range(3):
        assert attempt(ann.email).status_code == 429
    after = AccessAttempt.objects.get()
    assert (after.attempt_time, after.failures_since_start) == (began.attempt_time, 5)


def test_one_password_for_many_accounts_locks_the_network(
    ann: User, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("users.lockout.MAX_PER_NETWORK", 10)
    found = [attempt(f"{number}@people.example").status_code for number in range(12)]

    assert found == [200] * 9 + [429] * 3
    answer = attempt(boss.email, PASSWORD)
    assert answer.status_code == 429
    assert "Too many failed logins from your network. Wait 10 min" in answer.content.decode()
    assert answer.headers["Retry-After"] == "600"
    assert attempt(boss.email, PASSWORD, THERE).status_code == 302
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=11))
    assert attempt(ann.email, PASSWORD).status_code == 302


def test_people_of_one_network_who_mistype_do_not_lock_it(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("users.lockout.MAX_PER_NETWORK", 6)
    for _ in range(5):
        for _ in range(4):
            assert attempt(ann.email).status_code == 200
        assert attempt(ann.email, PASSWORD).status_code == 302


def test_nothing_that_was_typed_is_stored(ann: User) -> None:
    for number in range(2):
        data = {"username": ann.email, "password": WRONG, "note": f"secret {number}" * 1_000}
        Client().post("/login/?next=secret", data, REMOTE_ADDR=HERE)
    stored = AccessAttempt.objects.get()
    assert (stored.get_data, stored.post_data, stored.failures_since_start) == ("", "", 2)


@pytest.mark.parametrize("address", ["", "a socket"])
def test_a_client_without_an_address_is_locked_too(ann: User, address: str) -> None:
    lock(ann.email, address=address)
