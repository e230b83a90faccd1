"""Changes a second, from the history's times."""

from datetime import UTC, datetime, timedelta

import pytest

from cdc.conf import CdcSettings
from cdc.mongo.client import connect, database
from cdc.mongo.statistics import PulseReader

pytestmark = pytest.mark.services
NOW = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)


@pytest.fixture
def reader(feed_settings: CdcSettings) -> PulseReader:
    client = connect(feed_settings)
    history = database(client, feed_settings)[feed_settings.history_collection]
    ages = (0.5, 1.5, 2.5, 2.6, 2.7, 2.8, 5.9, 6.1)
    history.insert_many([{"at": NOW - timedelta(seconds=age)} for age in ages])
    return PulseReader(client, feed_settings)


def test_rates_are_counted_in_spans_oldest_first(reader: PulseReader) -> None:
    assert reader.rates(NOW, bins=3, seconds=2) == [0.5, 2.0, 1.0]
