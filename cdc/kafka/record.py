"""A record as the client library returns it, in the terms of the feed."""

from typing import cast

from confluent_kafka import Message

from cdc.wire.records import Headers, Record, TopicPartition


def record_of(message: Message, source: TopicPartition) -> Record:
    """Return the record that a message without an error holds."""
    return Record(
        source=source,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        # The library's types also allow what it takes when it produces.
        headers=cast("Headers", tuple(message.headers() or ())),
        timestamp_ms=max(message.timestamp()[1], 0),
        leader_epoch=message.leader_epoch(),
    )
