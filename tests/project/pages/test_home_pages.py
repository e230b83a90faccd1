"""The home pages: which role may open which page, and the dashboard during an outage."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.test import Client

from cdc.mongo.statistics import Figures
from project.pages import feed_state
from project.pages.latest import Reading
from tests.support.static_files import plain_static_files
from tests.support.status import TOTALS
from users.models import User, UserType

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client: Client) -> Iterator[Client]:
    client.force_login(User.objects.create_superuser("boss@people.example", name="Boss"))
    with plain_static_files():
        yield client


def dashboard(client: Client, monkeypatch: pytest.MonkeyPatch, reading: Reading[Figures]) -> str:
    monkeypatch.setattr(feed_state, "totals", SimpleNamespace(get=lambda: reading))
    return client.get("/senior_management/").content.decode()


def test_the_dashboard_shows_totals_trend_and_age(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = dashboard(client, monkeypatch, Reading(value=TOTALS, seconds=0.4, problem=""))
    texts = (
        "1,234",
        "Popular",
        "1,200",
        "odd",
        "MongoDB 0.4 s ago",
        "newest change was saved",
    )
    for shown in texts:
        assert shown in page, shown
    assert page.partition("<main")[2].count("<rect ") == 3
    assert "12 stories from 1 Mar 2010 to 3 Mar 2010. Maximum: 8 on 3 Mar." in page


def test_the_dashboard_marks_old_numbers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = dashboard(
        client, monkeypatch, Reading(value=TOTALS, seconds=61, problem="MongoDB is not responding.")
    )
    assert "These numbers are 61 s old." in page


def test_the_dashboard_without_numbers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = dashboard(
        client, monkeypatch, Reading(value=None, seconds=0, problem="MongoDB is not responding.")
    )
    assert "There is nothing to show yet." in page


@pytest.mark.parametrize("role", UserType)
def test_only_its_role_opens_a_home(role: UserType) -> None:
    client = Client()
    client.force_login(User.objects.create_user("a@people.example", name="A", user_type=role))
    expected = {f"/{other.value}/": 200 if other == role else 403 for other in UserType}
    with plain_static_files():
        assert {address: client.get(address).status_code for address in expected} == expected
