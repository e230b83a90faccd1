"""A tombstone counts as a delete if the relay wrote it and its table is known."""

import logging
from dataclasses import replace

import pytest

from cdc.consumer.tombstones import Tombstones
from cdc.errors import Rejected
from cdc.mongo.plan import Route
from cdc.runtime import telemetry
from cdc.wire.event import ChangeEvent, Operation, Version
from cdc.wire.records import Headers, Record, TopicPartition
from tests.support.builders import ROUTE, SOURCE, TABLE, change, delivered

VERSION: Headers = (("outbox_id", b"12"), ("epoch", b"7"))
OTHER = replace(ROUTE, table="other", key="code")
SAME = replace(ROUTE, table="same")
ELSEWHERE = replace(ROUTE, table="elsewhere", topic="other-events")


def tombstone(
    key: bytes = b'{"id":17}', headers: Headers = VERSION, topic: str = "story-events"
) -> Record:
    source = TopicPartition(topic, 3)
    return Record(
        source=source, offset=5, key=key, value=None, headers=headers, timestamp_ms=1_764_000_000
    )


def tombstones(*routes: Route) -> Tombstones:
    return Tombstones({route.table: route for route in (ROUTE, OTHER, ELSEWHERE, *routes)})


@pytest.mark.parametrize(
    ("key", "topic", "table", "column", "value"),
    [
        (b'{"id":17}', "story-events", TABLE, "id", 17),
        (b'{"code":"x"}', "story-events", "other", "code", "x"),
        (b'{"id":17}', "other-events", "elsewhere", "id", 17),
    ],
)
def test_a_tombstone_is_a_delete_of_the_table_with_its_topic_and_key_column(
    key: bytes, topic: str, table: str, column: str, value: int | str
) -> None:
    assert tombstones().event(tombstone(key, topic=topic)) == ChangeEvent(
        op=Operation.DELETE,
        table=table,
        key_column=column,
        key=value,
        before={column: value},
        after=None,
        version=Version(7, 12),
        ts_ms=1_764_000_000,
    )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (tombstone(headers=()), "its headers contain no version"),
        (tombstone(b'{"pk":17}'), "0 captured tables have its topic and key column"),
        (tombstone(topic="unknown"), "0 captured tables have its topic and key column"),
        (tombstone(), "2 captured tables have its topic and key column"),
    ],
)
def test_a_tombstone_that_is_not_ours_is_ignored_and_logged_once(
    record: Record, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = tombstones(SAME)
    with caplog.at_level(logging.WARNING, logger="cdc.consumer"):
        assert found.event(record) is None
        assert found.event(replace(record, offset=6)) is None

    (line,) = caplog.records
    assert line.getMessage() == telemetry.TOMBSTONE_IGNORED
    fields = {name: vars(line)[name] for name in ("topic", "partition", "offset", "reason")}
    assert fields == {
        "topic": record.source.topic,
        "partition": 3,
        "offset": 5,
        "reason": reason,
    }


def test_the_first_of_each_topic_and_reason_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    found = tombstones()
    for topic in ("story-events", "other-events"):
        for record in (tombstone(headers=(), topic=topic), tombstone(b'{"pk":1}', topic=topic)):
            assert found.event(record) is None

    assert len(caplog.records) == 4


@pytest.mark.parametrize(
    "record", [tombstone(b"{}"), tombstone(headers=(("epoch", b"x"), ("outbox_id", b"1")))]
)
def test_a_malformed_key_or_version_is_rejected(record: Record) -> None:
    with pytest.raises(Rejected):
        tombstones().event(record)


def test_a_tombstone_after_its_delete_is_left_out() -> None:
    delete, update = delivered(change("d", 1, 5)), delivered(change("u", 2, 6))
    its = replace(delete, tombstone=True)
    alone = replace(delivered(change("d", 3, 7)), tombstone=True)
    other = replace(delivered(change("d", 9, 5)), tombstone=True)
    found = tombstones()

    assert found.without_repeats([delete, its, update, alone]) == [delete, update, alone]
    assert found.without_repeats([delete, other]) == [delete, other]
    assert found.without_repeats([its, delete]) == [delete]
    assert found.without_repeats([its]) == [its]


def test_a_tombstone_whose_delete_was_just_applied_is_left_out() -> None:
    """A batch can end between the delete and its tombstone."""
    delete = delivered(change("d", 1, 5))
    its = replace(delete, tombstone=True)
    elsewhere = replace(its, source=TopicPartition(SOURCE.topic, 1))
    later = replace(delivered(change("d", 1, 6)), tombstone=True)
    other = replace(delivered(change("d", 9, 5)), tombstone=True)
    found = tombstones()

    found.applied([delivered(change("d", 2, 4)), delete, delivered(change("u", 3, 7))])
    assert found.without_repeats([its, elsewhere, later, other]) == [elsewhere, later, other]

    found.forget(SOURCE)
    assert found.without_repeats([its]) == [its]
