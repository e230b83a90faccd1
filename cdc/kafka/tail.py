"""Reads a topic by offset, without joining a consumer group."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import ENVELOPE_ROOM, client_config, consumer_config, make_client
from cdc.kafka.record import record_of
from cdc.kafka.refusals import ErrorLog
from cdc.kafka.watermarks import offsets_at, repeated
from cdc.wire.records import Record, TopicPartition
from cdc.wire.topic import TopicBounds

_SECONDS = 3.0
_SILENT_SECONDS = 5.0


class KafkaTail:
    """Reads one topic from given offsets; commits no offsets."""

    def __init__(self, settings: CdcSettings) -> None:
        self._topic = settings.topic
        self._errors = ErrorLog(settings)
        self._admin = make_client(AdminClient, client_config(settings, error_cb=self._errors))
        self._ended: dict[int, int] = {}
        self._heard_at = time.monotonic()
        self._consumer = make_client(
            Consumer,
            consumer_config(
                settings,
                **{
                    # The library requires a group name. It is never sent to a broker, because this
                    # consumer does not subscribe.
                    "group.id": f"{settings.group}-feed",
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "error",
                    "enable.partition.eof": True,
                    "fetch.message.max.bytes": settings.max_event_bytes + ENVELOPE_ROOM,
                    "fetch.wait.max.ms": 100,
                    # KiB for all partitions: limits the memory of prefetched records.
                    "queued.max.messages.kbytes": 8_192,
                },
            ),
        )

    def shape(self) -> tuple[str, int]:
        described = self._describe()
        return str(described.topic_id), len(described.partitions)

    def bounds(self) -> TopicBounds:
        described = self._describe()
        if not described.partitions:
            raise Retryable("Kafka lists no partitions of the topic yet: try again.")
        held = [self._partition_bounds(number) for number in range(len(described.partitions))]
        first, end = zip(*held, strict=True)
        return TopicBounds(
            topic=self._topic, topic_id=str(described.topic_id), first=first, end=end
        )

    def since(self, moment_ms: int) -> dict[int, int]:
        numbers = range(len(self._describe().partitions))
        times = [KafkaPartition(self._topic, number, moment_ms) for number in numbers]
        try:
            found = offsets_at(self._consumer, times, _SECONDS)
        except KafkaException as error:
            raise Retryable(_explanation(error)) from error
        return {
            item.partition: item.offset
            if item.offset >= 0
            else self._partition_bounds(item.partition)[1]
            for item in found
        }

    def start(self, offsets: Mapping[int, int]) -> None:
        self._ended.clear()
        starts = [KafkaPartition(self._topic, *place) for place in sorted(offsets.items())]
        try:
            self._consumer.assign(starts)
        except KafkaException as error:
            raise Retryable(_explanation(error)) from error

    def poll(self, limit: int, seconds: float) -> list[Record]:
        try:
            first = self._consumer.poll(seconds)
            # A message without a value is falsy.
            messages = [] if first is None else [first, *self._consumer.consume(limit - 1, 0)]
            if messages:
                self._heard_at = time.monotonic()
            elif time.monotonic() - self._heard_at >= _SILENT_SECONDS:
                # The client may have lost its brokers for good (see `Renewed`): ask a broker.
                self._consumer.list_topics(self._topic, timeout=_SECONDS)
                self._heard_at = time.monotonic()
        except KafkaException as error:
            raise Retryable(_explanation(error)) from error
        return [record for record in map(self._record, messages) if record is not None]

    def ended(self) -> dict[int, int]:
        return dict(self._ended)

    def close(self) -> None:
        self._consumer.close()

    def _record(self, message: Message) -> Record | None:
        number, offset = message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is None:
            return record_of(message, TopicPartition(self._topic, number))
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- the library's own name
            self._ended[number] = offset
            return None
        raise Retryable(_explanation(error))

    def _describe(self) -> Any:
        asked = TopicCollection([self._topic])
        try:
            answers = self._admin.describe_topics(asked, request_timeout=_SECONDS)
            return self._errors.answer(self._admin, answers[self._topic])
        except (KafkaException, TimeoutError) as error:
            refusal = self._errors.refusal()
            raise Retryable(refusal.text if refusal else _explanation(error)) from error

    def _partition_bounds(self, number: int) -> tuple[int, int]:
        partition = KafkaPartition(self._topic, number)
        try:
            marks = repeated(
                lambda: self._consumer.get_watermark_offsets(partition, timeout=_SECONDS)
            )
        except KafkaException as error:
            raise Retryable(_explanation(error)) from error
        if marks is None:
            raise Retryable("Kafka did not return the offsets of a partition in time: try again.")
        return int(marks[0]), int(marks[1])


def _explanation(error: BaseException | KafkaError) -> str:
    why = str(error) or "no answer in time"
    return f"Kafka is not responding ({why}): check that its brokers are running."
