"""The history of events in a real MongoDB, as the pages of the feed read it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.collection import Collection

from cdc.conf import CdcSettings
from cdc.mongo.client import connect, database
from cdc.mongo.history import History
from cdc.mongo.history_document import history_document
from cdc.mongo.plan import Document
from tests.support.builders import SOURCE, TABLE, change, delivered

pytestmark = pytest.mark.services
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def stored(feed_settings: CdcSettings) -> Iterator[Collection[Document]]:
    client = connect(feed_settings)
    yield database(client, feed_settings)[feed_settings.history_collection]
    client.drop_database(feed_settings.mongodb_database)
    client.close()


@pytest.fixture
def history(feed_settings: CdcSettings) -> History:
    return History(connect(feed_settings), feed_settings, {TABLE: "id"})


def document(number: int, **changes: Any) -> Document:
    """Return the history document of the event that has this outbox id, offset and key."""
    event = delivered(change("u", number, number), offset=number, source=SOURCE)
    return {**history_document(event, NOW), **changes}


def test_events_of_the_same_time_have_an_order(
    stored: Collection[Document], history: History
) -> None:
    """A page may end between them."""
    stored.create_index("at")
    moments = [NOW - timedelta(seconds=1), *[NOW] * 8, NOW + timedelta(seconds=1)]
    numbers = [3, 1, 9, 2, 8, 4, 7, 5, 6, 0]
    stored.insert_many(
        [document(number, at=at) for number, at in zip(numbers, moments, strict=True)]
    )

    pages = [history.since(NOW, 3, skip) for skip in (0, 3, 6, 9)]

    assert [[past.offset for past in page] for page in pages] == [
        [1, 9, 2],
        [8, 4, 7],
        [5, 6, 0],
        [],
    ]
