"""Reads the first and end offsets of partitions, and the offsets that the group has committed."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import Renewed, consumer_config
from cdc.kafka.record import DAMAGED
from cdc.kafka.refusals import REQUEST_SECONDS, ErrorLog
from cdc.wire.records import TopicPartition

_Found = TypeVar("_Found")
_MOVING_SECONDS = 0.8
_PAUSE_SECONDS = 0.1
_MOVED = {
    *(KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION),
    *(KafkaError.REPLICA_NOT_AVAILABLE, KafkaError.KAFKA_STORAGE_ERROR),
    *(KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH),
    *(KafkaError.OFFSET_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART),
    *(KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE),
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""Errors while a leader or a coordinator is new, or not known to all brokers yet.

Kafka's own client for Java repeats requests for offsets after these errors (KIP-207, KIP-320).
librdkafka looks up the leader or the coordinator again, but returns the error.
"""
_NOT_STARTED = {KafkaError._STATE, KafkaError._PREV_IN_PROGRESS}  # noqa: SLF001 -- documented codes
_END = KafkaError._PARTITION_EOF  # noqa: SLF001 -- the library's own name
POSITION_LOST = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError._LOG_TRUNCATION,  # noqa: SLF001 -- a documented code
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
"""Errors of a partition that no longer has the position at which it is read."""
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
        marks = repeated(lambda: client.get_watermark_offsets(partition, timeout=REQUEST_SECONDS))
    except KafkaException as error:
        raise unavailable("read the offsets of", source.topic, error) from error
    if marks is None:
        raise unavailable("read the offsets of", source.topic, None)
    return int(marks[0]), int(marks[1])


def offsets_at(
    client: Consumer, asked: Sequence[KafkaPartition], seconds: float
) -> list[KafkaPartition]:
    """Return each partition with the offset of the first record at or after its time.

    In `asked`, the offset is the time in ms since 1970. The offset is negative if there is no such
    record. Raise KafkaException if the offset of a partition is not known.
    """
    return repeated(lambda: _complete(client.offsets_for_times(list(asked), timeout=seconds)))


def validate(client: Consumer, at: KafkaPartition, unavailable: Unavailable) -> None:
    """Make the client compare the leader epoch of an assigned partition before it fetches.

    Without a seek, the client compares the epochs only after the election of a new leader. It
    refuses a seek until the partition is started, which waits until the partitions that were
    unassigned before have stopped and their offsets are committed (librdkafka issue 3959). Raise
    the error that `unavailable` returns if this takes longer than a request.
    """
    try:
        repeated(lambda: client.seek(at), _NOT_STARTED, REQUEST_SECONDS)
    except KafkaException as error:
        raise unavailable("seek in", at.topic, error) from error


def repeated(
    request: Callable[[], _Found],
    passing: Collection[int] = _MOVED,
    seconds: float = _MOVING_SECONDS,
) -> _Found:
    """Return `request()`. For some seconds, repeat it after an error with one of these codes.

    By default, these are the errors while a leader or a coordinator is new.
    """
    for _ in range(round(seconds / _PAUSE_SECONDS)):
        try:
            return request()
        except KafkaException as error:
            if error.args[0].code() not in passing:
                raise
        time.sleep(_PAUSE_SECONDS)
    return request()


def _complete(found: list[KafkaPartition]) -> list[KafkaPartition]:
    """Raise the error of the first partition that has one; its offset is then meaningless."""
    for error in filter(None, (each.error for each in found)):
        raise KafkaException(error)
    return found


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
            # Without a new record, the broker answers a fetch only after this time.
            "fetch.wait.max.ms": 100,
            # Only the times of records are read; the consumer reports damaged records.
            "check.crcs": False,
        }
        self._consumer = Renewed(
            Consumer,
            consumer_config(settings, error_cb=self._errors, **config),
            self._errors,
            close=lambda client: client.close(),
        )

    def of(self, source: TopicPartition) -> tuple[int, int]:
        """Return the first offset that Kafka has not deleted, and the offset of the next record."""
        marks = first_and_next(self._consumer(), source, self._unavailable)
        self._errors.forget()
        return marks

    def committed(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets that the group committed; partitions without an offset are omitted."""
        asked = [KafkaPartition(source.topic, source.partition) for source in sources]
        try:
            found = repeated(
                lambda: _complete(self._consumer().committed(asked, timeout=REQUEST_SECONDS))
            )
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
        self._consumer().assign([KafkaPartition(source.topic, source.partition, offset)])
        message = self._consumer().poll(REQUEST_SECONDS)
        self._consumer().unassign()
        if message is None:
            raise self._unavailable("return a record of", source.topic)
        if (error := message.error()) is None:
            return int(message.timestamp()[1])
        if error.code() == _END:
            return None
        raise self._unavailable("return a record of", source.topic, KafkaException(error))

    def lost(self, source: TopicPartition, offset: int, leader_epoch: int | None) -> bool:
        """Return whether Kafka has lost the last records before `offset`.

        `leader_epoch` is the leader epoch of the record before `offset`. If it is known, Kafka also
        detects a loss after which other records have been given the same offsets.
        """
        if offset > self.of(source)[1]:
            return True
        if leader_epoch is None:
            return False
        at = KafkaPartition(source.topic, source.partition, offset, leader_epoch=leader_epoch)
        error = self._first_at(at).error()
        if error is None or error.code() in {*DAMAGED, _END}:
            return False
        if error.code() in POSITION_LOST:
            return True
        raise self._unavailable("check a position in", source.topic, KafkaException(error))

    def since(self, source: TopicPartition, since_ms: int) -> int:
        """Return the offset of the first record at or after the time `since_ms`.

        Return the end offset if there is no such record.
        """
        asked = KafkaPartition(source.topic, source.partition, since_ms)
        try:
            (found,) = offsets_at(self._consumer(), [asked], REQUEST_SECONDS)
        except KafkaException as error:
            raise self._unavailable("look up a time in", source.topic, error) from error
        return found.offset if found.offset >= 0 else self.of(source)[1]

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def _first_at(self, at: KafkaPartition) -> Message:
        """Return the first message at a position, after a comparison of the leader epochs."""
        self._consumer().assign([at])
        try:
            validate(self._consumer(), at, self._unavailable)
            message = self._consumer().poll(REQUEST_SECONDS)
        finally:
            self._consumer().unassign()
        if message is None:
            raise self._unavailable("check a position in", at.topic)
        return message

    def _unavailable(
        self, request: str, name: str, error: BaseException | None = None
    ) -> Retryable:
        self._consumer().poll(0)  # Passes the errors of the client to `_errors`.
        return self._errors.unavailable(request, name, error)
