"""Converts messages and partitions between the client library and the pipeline."""

from collections.abc import Iterable
from typing import cast

from confluent_kafka import KafkaError, Message
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.wire.records import Headers, Record, TopicPartition

DAMAGED = frozenset(
    {
        KafkaError._BAD_MSG,  # noqa: SLF001 -- a documented code
        KafkaError._BAD_COMPRESSION,  # noqa: SLF001 -- a documented code
        KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001 -- a documented code
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.MSG_SIZE_TOO_LARGE,
    }
)
"""Codes of batches that the client cannot read. For some of them, it skips the batch."""


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


def partitions_of(sources: Iterable[TopicPartition]) -> list[KafkaPartition]:
    return [KafkaPartition(source.topic, source.partition) for source in sources]


def sources_of(partitions: Iterable[KafkaPartition]) -> set[TopicPartition]:
    return {TopicPartition(item.topic, item.partition) for item in partitions}


def damage(message: Message, error: KafkaError) -> str:
    """Return a sentence on a batch that the client cannot read, with the remedies."""
    place = f"{message.topic()} {message.partition()}"
    offset = message.offset()
    at = "" if offset is None or offset < 0 else f" at offset {offset}"
    return (
        f"A batch of {place}{at} cannot be read ({error.str()}): make an intact replica the leader "
        "of the partition, or skip the batch. To skip it, run `manage.py rewind "
        f"--topic {message.topic()} --partition {message.partition()} --to-offset N` with the "
        "first offset after the batch as N, and then `manage.py reconcile --repair`."
    )
