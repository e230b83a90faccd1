"""The front page: the most dug stories of the day, and today's changes with their delay, once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from cdc.context import acting_as
from cdc.operations import Delays
from project.pages import feed_state
from project.pages.feed_state import Activity
from stories.models import Status, Story
from tests.support.static_files import plain_static_files

pytestmark = pytest.mark.django_db
UNKNOWN = ">\N{EN DASH}<"
OLD = datetime(2010, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    activity(monkeypatch, None)
    cache.clear()
    with plain_static_files():
        yield
    cache.clear()


def activity(monkeypatch: pytest.MonkeyPatch, value: Activity | None) -> None:
    reading = SimpleNamespace(value=value)
    monkeypatch.setattr(feed_state, "activity", SimpleNamespace(get=lambda: reading))


def story(title: str, **fields: Any) -> Story:
    given = {"status": Status.POPULAR, "submit_date": timezone.now() - timedelta(hours=1)}
    with acting_as("test"):
        return Story.objects.create(
            title=title, href="http://a.example/", link="http://b.example/", **{**given, **fields}
        )


def front() -> str:
    return Client().get("/").content.decode()


def test_the_most_dug_story_of_the_day_is_first() -> None:
    story("Few", diggs=1)
    story("Many", diggs=7, status=Status.UPCOMING)
    for number in range(4):
        story(f"Other {number}")
    story("Yesterday", diggs=90, submit_date=timezone.now() - timedelta(days=2))
    page = front()
    assert ">Last 24 hours</p>" in page
    assert page.index(">Many<") < page.index(">Few<")
    assert "Yesterday" not in page


def test_the_last_24_hours_end_now() -> None:
    for number in range(6):
        story(f"Hours old {number}", submit_date=timezone.now() - timedelta(hours=20))
    story("Of the day before", diggs=90, submit_date=timezone.now() - timedelta(hours=30))
    page = front()
    assert ">Last 24 hours</p>" in page
    assert "Of the day before" not in page


def test_a_day_with_few_stories_is_filled_from_its_week() -> None:
    story("Of today", diggs=1)
    story("Of the week", diggs=90, submit_date=timezone.now() - timedelta(days=6))
    story("Of the month", diggs=99, submit_date=timezone.now() - timedelta(days=9))
    page = front()
    assert ">Last 7 days</p>" in page
    assert page.index("Of the week") < page.index("Of today")
    assert "Of the month" not in page


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.REJECTED])
def test_strangers_see_only_reviewed_stories(status: Status) -> None:
    story("Not reviewed", diggs=9, status=status)
    assert "Not reviewed" not in front()


def test_an_old_data_set_has_a_newest_day() -> None:
    story("Of 2010", submit_date=OLD)
    story("Of 2009", submit_date=OLD - timedelta(days=300))
    story("Of the future", submit_date=timezone.now() + timedelta(days=300))
    page = front()
    assert ">1 March 2010</p>" in page
    assert "Of 2010" in page
    assert "Of 2009" not in page
    assert "Of the future" not in page


@pytest.mark.parametrize(
    ("since", "period", "stories"),
    [
        (timedelta(hours=1), "1 March 2010", 6),
        (timedelta(days=6, hours=1), "Week to 1 March 2010", 5),
    ],
)
def test_the_period_of_an_old_data_set_begins_at_midnight(
    since: timedelta, period: str, stories: int
) -> None:
    for number in range(stories):
        story(f"Of 1 March {number}", submit_date=OLD + timedelta(hours=20))
    story("First", submit_date=OLD + timedelta(hours=1) - since)
    story("Too old", diggs=90, submit_date=OLD + timedelta(minutes=59) - since)
    page = front()
    assert f">{period}</p>" in page
    assert "Too old" not in page


def test_an_old_data_set_has_a_newest_week() -> None:
    story("Of 1 March", submit_date=OLD)
    story("Of 27 February", submit_date=OLD - timedelta(days=2))
    assert ">Week to 1 March 2010</p>" in front()


def test_a_week_with_stories_ends_now() -> None:
    story("Of this week", submit_date=timezone.now() - timedelta(days=3))
    page = front()
    assert ">Last 7 days</p>" in page
    assert "Of this week" in page


def test_the_page_has_one_login() -> None:
    page = front()
    assert page.count(">Log in</button>") == 1
    assert "Log in" not in page.partition("</header>")[0]


def test_the_first_day_of_the_calendar_is_a_day() -> None:
    story("Ancient", submit_date=datetime(1, 1, 1, 9, tzinfo=UTC))
    assert "Ancient" in front()


@pytest.mark.usefixtures("unexpiring_cache")
def test_the_stories_are_not_read_for_each_visitor(
    django_assert_num_queries: Any,
) -> None:
    story("Once")
    front()
    with django_assert_num_queries(0):
        assert "Once" in front()


def test_changes_and_delay_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = Delays(changes=9, p50=0.0214, p95=0.05, p99=0.09)
    activity(monkeypatch, Activity(changes=48_210, delays=delays))
    page = front()
    assert re.findall(r"48,210|21 ms", page) == ["48,210", "21 ms"]


def test_unknown_figures_are_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    assert front().count(UNKNOWN) == 2
    delays = Delays(changes=0, p50=None, p95=None, p99=None)
    activity(monkeypatch, Activity(changes=0, delays=delays))
    page = front()
    assert ">0<" in page
    assert page.count(UNKNOWN) == 1
