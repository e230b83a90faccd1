"""The totals of a collection and the change rates in the history, on a real mongod."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import database
from cdc.mongo.statistics import Figures, Statistics
from tests.support.mongodb import connected

pytestmark = pytest.mark.services


@pytest.fixture
def client(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MongoClient[dict[str, Any]]]:
    monkeypatch.setattr("cdc.mongo.statistics._RATES_MS", 60_000)
    client = connected(feed_settings)
    yield client
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def read(client: MongoClient[dict[str, Any]], settings: CdcSettings) -> Figures:
    return Statistics(client, settings).figures(
        "boxes", table="boxes", sums=("weight",), group="colour", day="made", days=3
    )


def test_empty_collection(client: MongoClient[dict[str, Any]], feed_settings: CdcSettings) -> None:
    figures = read(client, feed_settings)
    assert (figures.documents, figures.sums, figures.groups) == (0, {"weight": 0}, {})
    assert (figures.days, figures.changed_at) == ({}, None)


def test_sums_groups_days_and_last_change(
    client: MongoClient[dict[str, Any]], feed_settings: CdcSettings
) -> None:
    db = database(client, feed_settings)
    boxes = [("red", 3, 10), ("red", 4, 12), ("blue", 2**40, 12), ("red", 1, 1)]
    db["boxes"].insert_many(
        {"colour": colour, "weight": weight, "made": datetime(2010, 3, day, 23, 59, tzinfo=UTC)}
        for colour, weight, day in boxes
    )
    at = datetime(2020, 1, 1, tzinfo=UTC)
    db[feed_settings.history_collection].insert_many(
        [
            {"table": "boxes", "at": at},
            {"table": "boxes", "at": at.replace(year=2019)},
            {"table": "other", "at": at.replace(year=2021)},
        ]
    )
    figures = read(client, feed_settings)
    assert (figures.documents, figures.sums) == (4, {"weight": 8 + 2**40})
    assert list(figures.groups.items()) == [("red", 3), ("blue", 1)]
    days = {date(2010, 3, 10): 1, date(2010, 3, 11): 0, date(2010, 3, 12): 2}
    assert (figures.days, figures.changed_at) == (days, at)


def test_rates_are_counted_in_spans_oldest_first(
    client: MongoClient[dict[str, Any]], feed_settings: CdcSettings
) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    history = database(client, feed_settings)[feed_settings.history_collection]
    ages = (0.5, 1.5, 2.5, 2.6, 2.7, 2.8, 5.9, 6.1)
    history.insert_many([{"at": now - timedelta(seconds=age)} for age in ages])

    assert Statistics(client, feed_settings).rates(now, bins=3, seconds=2) == [0.5, 2.0, 1.0]


def test_throughput_is_counted_by_capture_and_by_write(
    client: MongoClient[dict[str, Any]], feed_settings: CdcSettings
) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    history = database(client, feed_settings)[feed_settings.history_collection]
    statistics = Statistics(client, feed_settings)
    assert statistics.throughput(now, bins=3, seconds=60).captured == (0, 0, 0)
    # The age in seconds at `now`, the delay in seconds, and the operation.
    changes = [(170, 0.25, "c"), (170, 60, "u"), (60, 1.5, "d"), (10, -2, "u"), (500, 1, "c")]
    history.insert_many(
        {"at": at, "applied_at": at + timedelta(seconds=delay), "op": op}
        for age, delay, op in changes
        for at in [now - timedelta(seconds=age)]
    )
    history.insert_one({"at": now - timedelta(seconds=5), "applied_at": "later", "op": "u"})

    found = statistics.throughput(now, bins=3, seconds=60)

    assert found.captured == (2, 0, 3)
    assert found.published == (2, 0, 4)
    assert found.applied == (1, 1, 3)
    assert found.in_transit == (1, 0, 0)
    assert found.delays == (0.25, 60.0, 1.5)


def test_changes_since_a_time(
    client: MongoClient[dict[str, Any]], feed_settings: CdcSettings
) -> None:
    statistics = Statistics(client, feed_settings)
    midnight = datetime(2020, 1, 2, tzinfo=UTC)
    assert statistics.changes_since(midnight) == 0
    moments = [midnight - timedelta(milliseconds=1), midnight, midnight + timedelta(hours=3)]
    database(client, feed_settings)[feed_settings.history_collection].insert_many(
        {"table": "boxes", "at": at} for at in moments
    )
    assert statistics.changes_since(midnight) == 2
