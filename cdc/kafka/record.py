"""Converts a message of the client library to a `Record`."""

from typing import cast

from confluent_kafka import Message

from cdc.wire.records import Headers, Record, TopicPartition


def record_of(message: Message, source: TopicPartition) -> Record:
    """Return the record in a message; the message must have no error."""
    return Record(
        source=source,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        # The library's type also covers messages to be produced, so it allows other values.
        headers=cast("Headers", tuple(message.headers() or ())),
        timestamp_ms=max(message.timestamp()[1], 0),
        leader_epoch=message.leader_epoch(),
    )
