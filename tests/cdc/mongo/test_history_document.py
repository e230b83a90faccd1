"""The history document of an event: what happened, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.errors import Rejected
from cdc.mongo.history_document import history_document
from cdc.wire.records import TopicPartition
from tests.support.builders import SOURCE, TABLE, change, delivered


def test_a_history_document_has_exactly_what_happened() -> None:
    event = replace(change("u", 17, 5, epoch=3), user="7", ts_ms=1_764_000_000_123)
    source = TopicPartition(SOURCE.topic, 4)
    applied_at = datetime(2026, 1, 2, tzinfo=UTC)

    document = history_document(replace(delivered(event, offset=12), source=source), applied_at)

    assert document == {
        "_id": {"epoch": 3, "outbox_id": 5},
        "op": "u",
        "table": TABLE,
        "key": 17,
        "before": event.before,
        "after": event.after,
        "user": "7",
        "at": datetime(2025, 11, 24, 16, 0, 0, 123_000, tzinfo=UTC),
        "applied_at": applied_at,
        "topic": SOURCE.topic,
        "partition": 4,
        "offset": 12,
    }
    assert document["at"].utcoffset() == timedelta(0)


def test_a_number_that_is_no_time_is_rejected() -> None:
    event = replace(change("u", 17, 5), ts_ms=2**63 - 1)

    with pytest.raises(Rejected) as caught:
        history_document(delivered(event), datetime(2026, 1, 2, tzinfo=UTC))

    expected = f"ts_ms is {2**63 - 1}, not a time in milliseconds since 1970."
    assert str(caught.value) == expected


def test_history_keeps_both_images_under_the_version() -> None:
    applied_at = datetime(2026, 1, 2, tzinfo=UTC)

    document = history_document(delivered(change("u", 17, 5), offset=12), applied_at)

    assert document["_id"] == {"epoch": 1, "outbox_id": 5}
    assert (document["op"], document["key"], document["offset"]) == ("u", 17, 12)
    assert document["applied_at"] == applied_at
    assert document["before"]["title"] == document["after"]["title"] == "version 1.5"
