"""The history of events in a real MongoDB, as the pages of the feed read it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.collection import Collection

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import database
from cdc.mongo.history import History
from cdc.mongo.history_document import history_document
from cdc.mongo.plan import Document
from tests.support.builders import SOURCE, TABLE, change, delivered
from tests.support.mongodb import connected

pytestmark = pytest.mark.services
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def stored(feed_settings: CdcSettings) -> Iterator[Collection[Document]]:
    client = connected(feed_settings)
    yield database(client, feed_settings)[feed_settings.history_collection]
    client.drop_database(feed_settings.mongodb_database)
    client.close()


@pytest.fixture
def history(feed_settings: CdcSettings) -> History:
    return History(connected(feed_settings), feed_settings, {TABLE: "id"})


@pytest.fixture
def topic(feed_settings: CdcSettings) -> str:
    return feed_settings.topic


def document(number: int, **changes: Any) -> Document:
    """Return the history document of the event that has this outbox id, offset and key."""
    event = delivered(change("u", number, number), offset=number, source=SOURCE)
    return {**history_document(event, NOW), **changes}


def test_events_of_the_same_time_have_an_order(
    stored: Collection[Document], history: History, topic: str
) -> None:
    """A page may end between them."""
    stored.create_index("at")
    moments = [NOW - timedelta(seconds=1), *[NOW] * 8, NOW + timedelta(seconds=1)]
    numbers = [3, 1, 9, 2, 8, 4, 7, 5, 6, 0]
    stored.insert_many(
        [document(number, at=at, topic=topic) for number, at in zip(numbers, moments, strict=True)]
    )

    pages = [history.since(NOW, 3, skip) for skip in (0, 3, 6, 9)]

    assert [[past.offset for past in page] for page in pages] == [
        [1, 9, 2],
        [8, 4, 7],
        [5, 6, 0],
        [],
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_events_of_other_topics_are_not_in_the_history_of_the_topic(
    stored: Collection[Document], history: History, topic: str, first: int
) -> None:
    """Two topics have the same partitions and offsets."""
    place = {"partition": 0, "offset": 17, "at": NOW}
    documents = [
        document(1, **place, topic="order-events", table="shop_order"),
        document(2, **place, topic=topic),
    ]
    stored.insert_many(documents[first:] + documents[:first])

    found = history.at(0, 17)

    assert found is not None
    assert found.event.version.outbox_id == 2
    assert history.since(NOW, 1) == [found]
    stored.delete_one({"topic": topic})
    assert history.at(0, 17) is None


def test_a_search_by_offset_that_takes_too_long_says_so(
    stored: Collection[Document], history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.insert_many([{"partition": 0, "offset": 0} for _ in range(50_000)])
    monkeypatch.setattr("cdc.mongo.history._MOST_MS", 60_000)
    assert history.at(0, 1) is None
    monkeypatch.setattr("cdc.mongo.history._MOST_MS", 1)

    with pytest.raises(Retryable, match="took too long: jump to the time of the change"):
        history.at(0, 1)


def test_an_event_of_an_earlier_topic_of_the_table_is_not_shown(
    stored: Collection[Document], history: History
) -> None:
    stored.insert_one(document(1, topic="a name that the topic had before"))
    assert history.at(0, 1) is None


def test_events_that_name_no_topic_are_found_by_their_table(
    stored: Collection[Document], history: History
) -> None:
    """Earlier releases did not store the topic."""
    for table, number in ((TABLE, 1), ("shop_order", 2)):
        old = document(number, table=table, at=NOW)
        del old["topic"]
        stored.insert_one(old)
    found = history.at(0, 1)
    assert found is not None
    assert found.event.key == 1
    assert history.since(NOW, 9) == [found]
    assert history.at(0, 2) is None


def test_the_last_event_at_a_place_is_of_the_present_topic(
    stored: Collection[Document], history: History, topic: str
) -> None:
    """The topic was deleted and created again, so its offsets began at 0 again."""
    for number in (1, 2):
        stored.insert_one(document(number, offset=17, topic=topic))
    found = history.at(0, 17)
    assert found is not None
    assert found.event.version.outbox_id == 2
