"""The three homes, and what they say when services are away."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from cdc.mongo.statistics import Figures
from cdc.outbox.table import Depth
from cdc.status.status import PartitionLag, Status, TableCount
from project.pages import feed_state
from project.pages.homes import chart
from project.pages.latest import Latest, Reading
from project.templatetags.sentences import coded
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = pytest.mark.django_db
DEPTH = Depth(rows=3, oldest_ms=0)


@pytest.fixture
def client(client: Client) -> Iterator[Client]:
    client.force_login(User.objects.create_superuser("boss@people.example", name="Boss"))
    with plain_static_files():
        yield client


def status(**changes: Any) -> Status:
    given: dict[str, Any] = {
        "outbox": DEPTH,
        "outbox_seconds": 1.25,
        "lags": (PartitionLag(topic="story-events", partition=4, records=17, seconds=2.0),),
        "tables": (TableCount(table="stories_story", rows=41, documents={"copy_1": 42}),),
        "dead_letters": 5,
        "counters": {},
        "problems": (),
    }
    return Status(**{**given, **changes})


def show(client: Client, monkeypatch: pytest.MonkeyPatch, read: Any) -> str:
    watch = feed_state.FeedWatch()
    watch.latest = Latest(read)
    monkeypatch.setattr(feed_state, "feed", watch)
    monkeypatch.setattr(feed_state.pulse, "latest", Latest(lambda: [0.0, 2.5]))
    return client.get("/technical_worker/").content.decode()


def test_technical_worker_reads_the_sentence_and_the_numbers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = show(client, monkeypatch, status)
    assert coded(status().verdict) in page
    for shown in (">3<", "the oldest for 1.2 s", "<td>17</td>", "<td>41</td>", "<td>42</td>"):
        assert shown in page, shown


def test_technical_worker_is_told_what_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = status(lags=None, tables=None, problems=("MongoDB <is> away.",))
    page = show(client, monkeypatch, lambda: away)
    assert "at least 3 changes wait, nothing is lost. MongoDB &lt;is&gt; away." in page
    assert "Kafka or MongoDB does not answer" in page
    assert "sf-bad" in page


FIGURES = Figures(
    documents=1234,
    sums={"diggs": 99, "comments": 88},
    groups={"popular": 1200, "odd": 34},
    days={date(2010, 3, 1): 4, date(2010, 3, 2): 0, date(2010, 3, 3): 8},
    changed_at=datetime.now(UTC) - timedelta(seconds=9),
)


def figures(client: Client, monkeypatch: pytest.MonkeyPatch, reading: Reading[Figures]) -> str:
    monkeypatch.setattr(feed_state.copy, "figures", lambda: reading)
    return client.get("/senior_management/").content.decode()


def test_management_sees_totals_trend_and_freshness(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = figures(client, monkeypatch, Reading(value=FIGURES, seconds=0.4, problem=""))
    said = ("1,234", "Popular", "1,200", "odd", "read 0.4 s ago", "Its newest change was made")
    for shown in said:
        assert shown in page, shown
    assert page.count("<rect ") == 3
    assert "12 stories from 1 Mar 2010 to 3 Mar 2010, most on 3 Mar: 8." in page


def test_management_sees_old_figures_named_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = figures(client, monkeypatch, Reading(value=FIGURES, seconds=61, problem="Away."))
    assert "these figures are 61 s old" in page


def test_management_without_figures(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = figures(client, monkeypatch, Reading(value=None, seconds=0, problem="Away."))
    assert "there are no figures now" in page


def test_chart_of_nothing_has_no_height() -> None:
    drawn = chart({date(2010, 3, 1): 0, date(2010, 3, 2): 0})
    assert [bar["height"] for bar in drawn["bars"]] == [0, 0]


@pytest.mark.parametrize("role", UserType)
def test_only_its_role_opens_a_home(role: UserType) -> None:
    client = Client()
    client.force_login(User.objects.create_user("a@people.example", name="A", user_type=role))
    monkey = {f"/{other.value}/": 200 if other == role else 403 for other in UserType}
    with plain_static_files():
        assert {address: client.get(address).status_code for address in monkey} == monkey
