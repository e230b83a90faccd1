"""`LastApplied` returns the highest version in the history."""

import pytest

from cdc.conf import CdcSettings
from cdc.mongo.client import connect, database
from cdc.mongo.reader import LastApplied
from cdc.wire.event import Version
from cdc.wire.published import Published
from tests.support.feed_settings import without_servers


@pytest.mark.services
def test_the_history_shows_the_highest_version(feed_settings: CdcSettings) -> None:
    history = database(connect(feed_settings), feed_settings)[feed_settings.history_collection]
    witness = LastApplied(feed_settings)
    assert witness(lambda: True) == []
    history.insert_many(
        [
            {"_id": {"epoch": epoch, "outbox_id": number}}
            for epoch, number in [(5, 9), (10, 3), (10, 20), (9, 10**10)]
        ]
    )

    assert witness(lambda: True) == [Published(version=Version(10, 20))]


def test_the_relay_does_without_mongodb() -> None:
    away = without_servers(mongodb_uri="mongodb://127.0.0.1:9/")

    assert LastApplied(away)(lambda: True) == []
