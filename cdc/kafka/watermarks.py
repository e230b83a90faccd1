"""Reads the first and end offsets of partitions, and the offsets that the group has committed."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import consumer_config, make_client
from cdc.kafka.refusals import REQUEST_SECONDS, ErrorLog
from cdc.wire.records import TopicPartition

_Found = TypeVar("_Found")
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.1
_NEW_LEADER = {KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION}
"""Errors of a partition whose leader is new. After such an error, the client looks it up again."""
Unavailable = Callable[[str, str, BaseException | None], Retryable]
"""A function such as `unavailable`: takes a verb, the name of its object and an error."""


def first_and_next(
    client: Consumer, source: TopicPartition, unavailable: Unavailable
) -> tuple[int, int]:
    """Return the first offset that Kafka has not deleted, and the offset of the next record.

    Raise the error that `unavailable` returns if Kafka does not respond.
    """
    partition = KafkaPartition(source.topic, source.partition)
    try:
        marks = _until_led(lambda: client.get_watermark_offsets(partition, timeout=REQUEST_SECONDS))
    except KafkaException as error:
        raise unavailable("read the offsets of", source.topic, error) from error
    if marks is None:
        raise unavailable("read the offsets of", source.topic, None)
    return int(marks[0]), int(marks[1])


def _until_led(request: Callable[[], _Found]) -> _Found:
    for _ in range(_ATTEMPTS - 1):
        try:
            return request()
        except KafkaException as error:
            if error.args[0].code() not in _NEW_LEADER:
                raise
        time.sleep(_PAUSE_SECONDS)
    return request()


class Watermarks:
    """Reads the offsets of partitions, and the offsets that the group has committed."""

    def __init__(self, settings: CdcSettings) -> None:
        self._group = settings.group
        self._errors = ErrorLog(settings)
        config = {
            "group.id": settings.group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            # Only the times of records are read; the consumer reports damaged records.
            "check.crcs": False,
        }
        self._consumer = make_client(
            Consumer, consumer_config(settings, error_cb=self._errors, **config)
        )

    def of(self, source: TopicPartition) -> tuple[int, int]:
        """Return the first offset that Kafka has not deleted, and the offset of the next record."""
        marks = first_and_next(self._consumer, source, self._unavailable)
        self._errors.forget()
        return marks

    def committed(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets that the group committed; partitions without an offset are omitted."""
        asked = [KafkaPartition(source.topic, source.partition) for source in sources]
        try:
            found = self._consumer.committed(asked, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise self._unavailable("read the offsets of the group", self._group, error) from error
        return {
            TopicPartition(item.topic, item.partition): item.offset
            for item in found
            if item.offset >= 0
        }

    def timestamp_ms(self, source: TopicPartition, offset: int) -> int | None:
        """Return the timestamp of the first record at or after `offset`, in ms since 1970.

        Return None if there is no such record. Raise Retryable if Kafka refuses to return the
        record, or does not return it in time.
        """
        self._consumer.assign([KafkaPartition(source.topic, source.partition, offset)])
        message = self._consumer.poll(REQUEST_SECONDS)
        self._consumer.unassign()
        if message is None:
            raise self._unavailable("return a record of", source.topic)
        if (error := message.error()) is None:
            return int(message.timestamp()[1])
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- the library's own name
            return None
        raise self._unavailable("return a record of", source.topic, KafkaException(error))

    def since(self, source: TopicPartition, since_ms: int) -> int:
        """Return the offset of the first record at or after the time `since_ms`.

        Return the end offset if there is no such record.
        """
        asked = KafkaPartition(source.topic, source.partition, since_ms)
        try:
            (found,) = _until_led(
                lambda: self._consumer.offsets_for_times([asked], timeout=REQUEST_SECONDS)
            )
        except KafkaException as error:
            raise self._unavailable("look up a time in", source.topic, error) from error
        return found.offset if found.offset >= 0 else self.of(source)[1]

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def _unavailable(
        self, request: str, name: str, error: BaseException | None = None
    ) -> Retryable:
        self._consumer.poll(0)  # Passes the errors of the client to `_errors`.
        return self._errors.unavailable(request, name, error)
