"""`/healthz` uses no service. `/readyz` checks each part, and shows details only to staff."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from confluent_kafka import KafkaException
from django.db import OperationalError, connection
from django.test import Client

from cdc.errors import Retryable
from cdc.runtime import threads
from cdc.runtime.threads import start_thread, thread_problems
from cdc.status import probes
from project.http import readiness
from project.http.readiness import Parts, Services, State, address
from project.pages.latest import Latest
from tests.support.commands import wait_until
from tests.support.feed_settings import without_servers
from tests.support.static_files import plain_static_files
from users.models import User


def ok() -> str:
    return ""


def set_parts(monkeypatch: pytest.MonkeyPatch, **checks: Callable[[], str]) -> None:
    plain = dict.fromkeys(("database", "migrations", "kafka", "mongodb"), ok)
    monkeypatch.setattr(readiness, "parts", Parts({**plain, **checks}))


def away() -> str:
    raise Retryable("MongoDB at db-7.internal is not responding.")


@pytest.fixture(autouse=True)
def long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a long timeout, so that no check fails on a busy machine."""
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 60)
    # A thread of an earlier test may not have ended yet.
    monkeypatch.setattr(threads, "_problems", {})


@pytest.fixture(autouse=True)
def static_files() -> Iterator[None]:
    with plain_static_files():
        yield


# A database query would fail this test, because it has no django_db mark.
@pytest.mark.parametrize("host", ["testserver", "10.1.2.3:8000", "evil.example"])
def test_healthz_needs_no_service_and_accepts_any_host(host: str) -> None:
    answer = Client().get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert Client().head("/healthz").status_code == 200


@pytest.mark.parametrize("page", ["/readyz", "/metrics"])
def test_pages_with_details_accept_the_sites_hosts_only(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_parts(monkeypatch)
    assert Client().get(page, headers={"Host": "evil.example"}).status_code == 400


def test_all_parts_ok_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    set_parts(monkeypatch)
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "parts": {"database": "ok", "migrations": "ok", "kafka": "ok", "mongodb": "ok"},
    }


@pytest.mark.django_db
def test_details_are_hidden_from_other_users(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    set_parts(monkeypatch, mongodb=away, migrations=lambda: "Unapplied migrations: 2.")
    client.force_login(User.objects.create_user("ann@people.example", name="Ann"))
    for user in (Client(), client):
        answer = user.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["mongodb"] == "away"
        assert answer.json()["parts"]["migrations"] == "incomplete"
        assert "details" not in answer.json()
        assert "internal" not in answer.content.decode()


@pytest.mark.django_db
def test_staff_get_addresses_and_errors(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    set_parts(monkeypatch, mongodb=away)
    client.force_login(User.objects.create_user("s@people.example", name="S", is_staff=True))
    details = client.get("/readyz").json()["details"]["mongodb"]
    assert details["problem"] == "MongoDB at db-7.internal is not responding."


def test_unavailable_database_is_not_asked_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise OperationalError("no")

    set_parts(monkeypatch, database=refuse)
    client = Client()
    client.cookies["sessionid"] = "x" * 32
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["database"]) == (503, "away")


def test_services_are_checked_once_for_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "Latest", partial(Latest, fresh=60))
    asked: list[int] = []

    def count() -> str:
        asked.append(1)
        return ""

    parts = Parts({"kafka": count})
    assert [parts.look()[0].state for _ in range(20)] == [State.OK] * 20
    assert len(asked) == 1


def test_services_are_checked_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 60)
    names = ("a", "b", "c", "d")
    together = threading.Barrier(len(names))

    def meet() -> str:
        together.wait(60)
        return ""

    found = Parts(dict.fromkeys(names, meet)).look()
    assert {part.state for part in found} == {State.OK}


def test_a_silent_service_does_not_delay_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(readiness, "Latest", partial(Latest, fresh=60))
    end = threading.Event()
    parts = Parts({"kafka": lambda: str(end.wait(60)), "mongodb": str})
    # On a busy machine, the second check may take longer than 0.5 s as well.
    expected = [State.AWAY, State.OK]
    wait_until(lambda: [part.state for part in parts.look()] == expected, "MongoDB's state")
    end.set()


@pytest.mark.django_db
def test_unapplied_migrations_are_reported() -> None:
    assert Services().migrations() == ""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
    assert Services().migrations() == "Unapplied migrations: 1. Run `manage.py migrate`."


@pytest.mark.parametrize(
    ("name", "configured", "shown"),
    [
        ("mongodb", {"mongodb_uri": "mongodb://ann:hid%40den@a:1,b:2/?x=1"}, "a:1,b:2"),
        ("kafka", {"bootstrap_servers": "a:9092"}, "a:9092"),
        ("kafka", {}, ""),
    ],
)
def test_address_has_no_password(
    name: str, configured: dict[str, str], shown: str, settings: Any
) -> None:
    settings.CDC = without_servers(**configured)
    assert address(name) == shown


@pytest.mark.services
@pytest.mark.django_db
def test_real_services_respond(
    feed_settings: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CDC = feed_settings
    monkeypatch.setattr(probes, "topic_names", lambda: [feed_settings.topic])
    services = Services()
    assert services.mongodb() == ""
    assert services.database() == ""
    assert services.kafka().endswith("start a relay, which creates it.")


@pytest.mark.parametrize("error", [KafkaException("fatal"), KeyError("x"), RuntimeError("closed")])
def test_a_check_that_fails_unexpectedly_is_not_ok(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> str:
        raise error

    set_parts(monkeypatch, kafka=fail)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["kafka"]) == (503, "away")


def test_a_thread_that_keeps_failing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    set_parts(monkeypatch)
    end = threading.Event()

    def body() -> None:
        if not end.is_set():
            raise KeyError("x")

    thread = start_thread("feed", body)
    wait_until(lambda: bool(thread_problems()), "the problem of the thread")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["threads"]) == (503, "away")

    end.set()
    thread.join(60)
    assert Client().get("/readyz").status_code == 200
