"""`LastApplied` returns the highest version in the history."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson.max_key import MaxKey
from bson.objectid import ObjectId

from cdc.conf import CdcSettings
from cdc.mongo.client import database
from cdc.mongo.reader import LastApplied
from cdc.wire.event import Version
from cdc.wire.published import Published
from tests.support.commands import wait_until
from tests.support.feed_settings import without_servers
from tests.support.mongodb import connected


@pytest.mark.services
def test_the_history_shows_the_highest_version(feed_settings: CdcSettings) -> None:
    history = database(connected(feed_settings), feed_settings)[feed_settings.history_collection]
    witness = LastApplied(feed_settings)
    assert witness(lambda: True) == []
    history.insert_many(
        [
            {"_id": {"epoch": epoch, "outbox_id": number}}
            for epoch, number in [(5, 9), (10, 3), (10, 20), (9, 10**10)]
        ]
    )

    wait_until(
        lambda: witness(lambda: True) == [Published(version=Version(10, 20))],
        "the highest version",
    )


FOREIGN_IDS: dict[str, Any] = {
    "object id": ObjectId(),
    "boolean": True,
    "date": datetime(2020, 1, 1, tzinfo=UTC),
    "highest": MaxKey(),
    "text": "text",
    "other fields": {"zz": 1},
    "text as an epoch": {"epoch": "11", "outbox_id": 1},
    "date as an epoch": {"epoch": datetime(2020, 1, 1, tzinfo=UTC), "outbox_id": 1},
    "list": {"epoch": 11, "outbox_id": [1]},
    "nothing": {},
}


@pytest.mark.services
@pytest.mark.parametrize("name", FOREIGN_IDS)
def test_a_document_of_another_program_hides_no_version(
    feed_settings: CdcSettings, name: str
) -> None:
    history = database(connected(feed_settings), feed_settings)[feed_settings.history_collection]
    history.insert_one({"_id": FOREIGN_IDS[name]})
    witness = LastApplied(feed_settings)
    assert witness(lambda: True) == []
    history.insert_one({"_id": {"epoch": 10, "outbox_id": 20}})

    wait_until(
        lambda: witness(lambda: True) == [Published(version=Version(10, 20))],
        "the version of the pipeline's document",
    )


def test_the_relay_does_without_mongodb() -> None:
    away = without_servers(mongodb_uri="mongodb://127.0.0.1:9/")

    assert LastApplied(away)(lambda: True) == []
