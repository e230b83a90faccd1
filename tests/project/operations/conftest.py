"""Logged-in users of the operations pages, and a healthy pipeline."""

from collections.abc import Iterator

import pytest
from django.test import Client

from cdc.mongo.throughput import throughput_of
from project.pages import feed_state
from project.pages.outage_clock import OutageClock
from tests.support.latest import patient
from tests.support.static_files import plain_static_files
from tests.support.status import healthy_status
from users.models import User, UserType


@pytest.fixture(autouse=True)
def healthy_pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    # An earlier test in this process may have left an outage in the state.
    monkeypatch.setattr(feed_state.feed, "_outage", OutageClock())
    monkeypatch.setattr(feed_state, "rates", patient(lambda: [1.0]))
    monkeypatch.setattr(feed_state, "throughput", patient(lambda: throughput_of([], 60)))
    with plain_static_files():
        yield


def client_of(role: UserType) -> Client:
    client = Client()
    user = User.objects.create_user(f"{role}@people.example", "x", name=role.label, user_type=role)
    client.force_login(user)
    return client


@pytest.fixture
def worker() -> Client:
    return client_of(UserType.TECHNICAL_WORKER)


@pytest.fixture
def customer() -> Client:
    return client_of(UserType.CUSTOMER)


@pytest.fixture
def manager() -> Client:
    return client_of(UserType.SENIOR_MANAGEMENT)
