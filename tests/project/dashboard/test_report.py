"""A report of stories on a real mongod has the counts of a plain loop over the documents."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import override_settings

from cdc import reports
from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import _OPTIONS, connect, database
from project.dashboard.charts import chart_of, columns_of, totals_before
from project.dashboard.figures import figures
from project.dashboard.periods import CHOICES, end_at
from project.dashboard.report import Report, read_report
from stories.models import Story
from tests.support.feed_settings import without_servers

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NEWEST = datetime(2010, 3, 31, 18, tzinfo=UTC)
Documents = list[dict[str, Any]]


@pytest.fixture
def patient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a busy machine the time to connect and to count."""
    for name in ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS"):
        monkeypatch.setitem(_OPTIONS, name, 60_000)
    monkeypatch.setattr("cdc.mongo.reports.reports._LIMIT_MS", 60_000)


@pytest.fixture
def stored(patient_client: None, feed_settings: CdcSettings) -> Iterator[Documents]:
    """Store stories of a year, and one of the future; yield the stories of the year."""
    rng = random.Random(4)
    found = [story(rng, NEWEST - timedelta(hours=11 * number)) for number in range(800)]
    client = connect(feed_settings)
    collection = database(client, feed_settings)[Story._meta.db_table]
    future = story(rng, datetime.now(UTC) + timedelta(days=400))
    collection.insert_many([*found, future])
    reports._reports.cache_clear()
    cache.clear()
    with override_settings(CDC=feed_settings):
        yield found
    reports._reports.cache_clear()
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def story(rng: random.Random, submitted: datetime) -> dict[str, Any]:
    popular = rng.random() < 0.4
    no_topic: dict[str, str] = rng.choice([{}, {"name": " "}])
    return {
        "_id": rng.randrange(2**40),
        "title": "A ferry captain",
        "link": f"https://{rng.choice(['www.', ''])}{rng.choice('abc')}.example/x",
        "topic": {"name": rng.choice("pqrstuvw")} if rng.random() < 0.7 else no_topic,
        "user": {"name": rng.choice(["moss", "tin"])},
        "media": rng.choice(["news", "videos"]),
        "diggs": rng.randrange(500),
        "comments": rng.randrange(50),
        "status": "popular" if popular else rng.choice(["upcoming", "rejected"]),
        "submit_date": submitted,
        "promote_date": submitted + timedelta(minutes=rng.randrange(900)) if popular else None,
    }


def between(documents: Documents, first: date, last: date) -> Documents:
    return [each for each in documents if first <= each["submit_date"].date() <= last]


def topic_of(story: dict[str, Any]) -> str:
    return str(story["topic"].get("name", "")).strip()


def read(name: str, last: str = "") -> Report:
    found = read_report(end_at(CHOICES[name], last)[0])
    assert found is not None
    return found


@pytest.mark.parametrize("name", CHOICES)
def test_counts_are_those_of_a_plain_loop(stored: Documents, name: str) -> None:
    found = read(name)
    now = between(stored, found.span.first, found.span.last)
    before = between(stored, found.span.before, found.span.before_last) if found.span.before else []
    assert found.span.last == NEWEST.date()
    assert {line.label: line.now["documents"] for line in found.topics} == Counter(
        topic_of(each) or "No topic" for each in now
    )
    sites = Counter(each["link"].replace("www.", "")[8:17] for each in before)
    assert {line.label: line.before.get("documents", 0) for line in found.sites} == {
        line.label: sites[line.label] for line in found.sites
    }
    assert {line.label: line.now["documents"] for line in found.media} == Counter(
        each["media"].capitalize() for each in now
    )
    shown = {each.name: each for each in figures(found)}
    assert shown["Stories"].now_value == len(now)
    assert shown["Diggs"].now_value == sum(each["diggs"] for each in now)
    assert shown["Rejected"].now_value == sum(each["status"] == "rejected" for each in now)
    if before:
        assert shown["Comments"].before_value == sum(each["comments"] for each in before)
    waits = sorted(
        (each["promote_date"] - each["submit_date"]).total_seconds() // 60
        for each in now
        if each["promote_date"]
    )
    assert shown["Time to popular"].now_value == waits[(len(waits) - 1) // 2]


@pytest.mark.parametrize("name", CHOICES)
def test_the_chart_has_every_story_of_the_period(stored: Documents, name: str) -> None:
    found = read(name)
    series = columns_of(found)
    assert len(series) == 6
    assert sum(sum(each.values) for each in series) == len(
        between(stored, found.span.first, found.span.last)
    )
    if found.span.before:
        assert sum(totals_before(found)) == len(
            between(stored, found.span.before, found.span.before_last)
        )
    chart_of(found)


def test_the_top_stories_are_not_rejected_and_in_order(stored: Documents) -> None:
    found = [each["diggs"] for each in read("30").stories]
    first = NEWEST.date() - timedelta(days=29)
    kept = [each for each in between(stored, first, NEWEST.date()) if each["status"] != "rejected"]
    assert found == sorted((each["diggs"] for each in kept), reverse=True)[:100]


def test_each_period_has_the_largest_topics_of_all_periods(stored: Documents) -> None:
    names = Counter(name for each in stored if (name := topic_of(each)))
    charted = read("7").charted
    # The story of the future is left out.
    assert [names[name] for name in charted] == sorted(names.values(), reverse=True)[:5]
    for choice in CHOICES:
        series = [each.name for each in columns_of(read(choice))]
        assert series == [*charted, "Other topics"]


def test_a_period_can_end_earlier(stored: Documents) -> None:
    last = read("30").earlier
    assert last == date(2010, 3, 1)
    found = read("30", last.isoformat())
    assert (found.span.last, found.span.first) == (last, date(2010, 1, 31))
    oldest = min(each["submit_date"] for each in stored).date()
    assert read("all", last.isoformat()).span.first == oldest
    assert read("all").earlier is None
    assert read_report(end_at(CHOICES["7"], "1999-12-31")[0]) is None


def test_without_mongodb_a_report_is_retryable() -> None:
    reports._reports.cache_clear()
    gone = without_servers(mongodb_uri="mongodb://127.0.0.1:1/?replicaSet=rs0")
    with override_settings(CDC=gone), pytest.raises(Retryable):
        read("7")
    reports._reports.cache_clear()
