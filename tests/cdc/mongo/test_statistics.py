"""Sums over a collection, on a real mongod."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import connect, database
from cdc.mongo.statistics import Figures, FiguresReader

pytestmark = pytest.mark.services


@pytest.fixture
def client(feed_settings: CdcSettings) -> Iterator[MongoClient[dict[str, Any]]]:
    client = connect(feed_settings)
    yield client
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def read(client: MongoClient[dict[str, Any]], settings: CdcSettings) -> Figures:
    reader = FiguresReader(client, settings, "boxes")
    return reader.read("boxes", sums=("weight",), group="colour", day="made", days=3)


def test_empty_collection(client: MongoClient[dict[str, Any]], feed_settings: CdcSettings) -> None:
    figures = read(client, feed_settings)
    assert (figures.documents, figures.sums, figures.groups) == (0, {"weight": 0}, {})
    assert (figures.days, figures.changed_at) == ({}, None)


def test_sums_groups_days_and_age(
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
