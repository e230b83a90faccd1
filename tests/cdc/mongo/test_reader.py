"""Reads of a replica, on a real mongod."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from cdc.conf import CdcSettings
from cdc.mongo.client import database
from cdc.mongo.reader import ReplicaReader
from cdc.wire.event import Version
from tests.support.mongodb import connected

pytestmark = pytest.mark.services
KEYS = [None, -3, 2, 2.5, 10, "10", "a", "b"]
"""Keys in the order of MongoDB."""


@pytest.fixture
def boxes(feed_settings: CdcSettings) -> Iterator[Database[dict[str, Any]]]:
    client = connected(feed_settings)
    db = database(client, feed_settings)
    db["boxes"].insert_many({"_id": key, "_epoch": 1, "_version": 7} for key in KEYS[1:])
    yield db
    client.drop_database(feed_settings.mongodb_database)
    client.close()


@pytest.fixture
def reader(
    boxes: Database[dict[str, Any]], feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> ReplicaReader:
    monkeypatch.setattr("cdc.mongo.reader._COUNT_MS", 60_000)
    return ReplicaReader(boxes.client, feed_settings)


def test_keys_of_all_types_are_walked_in_pages(reader: ReplicaReader) -> None:
    found: list[Any] = []
    while page := reader.keys_after("boxes", found[-1] if found else None, 2):
        found += page
    assert found == KEYS[1:]


def test_counts_documents_and_keys(reader: ReplicaReader) -> None:
    assert reader.counts(["boxes", "empty"]) == {"boxes": 7, "empty": 0}
    assert reader.keys("boxes", [2, 3, "b"]) == {2, "b"}
    assert set(reader.held(["boxes"], [2, 3])["boxes"]) == {2}


def test_a_collection_that_takes_too_long_is_not_counted(
    reader: ReplicaReader, boxes: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a collection must not prevent the other reads of MongoDB."""
    boxes["large"].insert_many({"_id": number} for number in range(200_000))
    with monkeypatch.context() as patch:
        patch.setattr("cdc.mongo.reader._COUNT_MS", 1)
        assert set(reader.counts(["large"])) == set()
    assert reader.counts(["empty"]) == {"empty": 0}


def test_a_document_without_a_version_has_none(
    reader: ReplicaReader, boxes: Database[dict[str, Any]]
) -> None:
    boxes["boxes"].insert_one({"_id": "strange", "_epoch": "1"})
    assert reader.version("boxes", 2) == Version(1, 7)
    assert reader.version("boxes", "strange") is None
    assert reader.version("boxes", "missing") is None


def test_a_delay_is_measured_however_long_it_is(
    reader: ReplicaReader, boxes: Database[dict[str, Any]], feed_settings: CdcSettings
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    boxes[feed_settings.history_collection].insert_one(
        {
            "_id": {"epoch": 1, "outbox_id": 1},
            "at": now - timedelta(hours=2),
            "applied_at": now,
        }
    )
    assert reader.delays(now - timedelta(minutes=5), limit=9) == [7_200.0]


def test_delays_are_those_of_the_newest_events(
    reader: ReplicaReader, boxes: Database[dict[str, Any]], feed_settings: CdcSettings
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    boxes[feed_settings.history_collection].insert_many(
        {
            "_id": {"epoch": 1, "outbox_id": number},
            "at": now + timedelta(seconds=number),
            "applied_at": now + timedelta(seconds=number * 1.5),
        }
        for number in range(4)
    )
    assert reader.delays(now + timedelta(seconds=1), limit=2) == [1.5, 1.0]
    assert reader.delays(now + timedelta(seconds=4), limit=3) == [1.5]
    assert set(reader.events([Version(1, 2), Version(2, 2)])) == {Version(1, 2)}
