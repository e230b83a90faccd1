"""Reads the last published changes from the ends of the partitions."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import ENVELOPE_ROOM, Renewed, consumer_config
from cdc.kafka.refusals import REQUEST_SECONDS, ErrorLog
from cdc.kafka.topics import Topics
from cdc.wire.published import LAST_RECORDS, Published, published

_TAIL = -2000
"""`_TAIL - n` is librdkafka's logical offset of the nth record before the end of a partition."""
_POLL_SECONDS = 0.1
_MISSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 -- a documented code
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 -- a documented code
    }
)


class LastPublished:
    """Reads the last records of each partition of the given topics; commits no offsets."""

    def __init__(self, settings: CdcSettings, topics: Sequence[str]) -> None:
        self._names = topics
        self._topics = Topics(settings)
        self._errors = ErrorLog(settings)
        self._consumer = Renewed(
            Consumer,
            consumer_config(
                settings,
                error_cb=self._errors,
                **{
                    # The library requires a group name. It is never sent to a broker, because this
                    # consumer does not subscribe.
                    "group.id": f"{settings.group}-relay",
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    "fetch.message.max.bytes": settings.max_event_bytes + ENVELOPE_ROOM,
                    "fetch.wait.max.ms": 10,
                    # KiB for all partitions: limits the memory of prefetched records.
                    "queued.max.messages.kbytes": 8_192,
                },
            ),
            self._errors,
            close=lambda client: client.close(),
        )

    def __call__(self, keep_waiting: Callable[[], bool]) -> list[Published]:
        """Return the last changes of all partitions, unordered; a missing topic has no changes.

        Raise Retryable if Kafka does not respond, or when `keep_waiting` returns False.
        """
        found: list[Published] = []
        left = {
            (name, number)
            for name in self._names
            for number in self._topics.partitions(name, keep_waiting)
        }
        self._consumer().assign(
            [KafkaPartition(name, number, _TAIL - LAST_RECORDS) for name, number in sorted(left)]
        )
        deadline = time.monotonic() + REQUEST_SECONDS
        while left:
            if not keep_waiting():
                raise Retryable("Reading the last published changes was cancelled.")
            message = self._consumer().poll(_POLL_SECONDS)
            if message is not None:
                deadline = time.monotonic() + REQUEST_SECONDS
                self._errors.forget()
                self._take(message, left, found)
            elif time.monotonic() >= deadline:
                raise self._errors.unavailable("read the last records of", ", ".join(self._names))
        self._consumer().unassign()
        return found

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Message, left: set[tuple[str, int]], found: list[Published]) -> None:
        error = message.error()
        if error is None:
            headers = dict(message.headers() or [])
            change = published(message.key(), message.value(), headers, message.topic() or "")
            found += [change] if change else []
        elif error.code() == KafkaError._PARTITION_EOF or error.code() in _MISSING:  # noqa: SLF001
            left.discard((message.topic() or "", message.partition() or 0))
        elif not error.retriable():
            raise self._errors.unavailable(
                "read the last records of", message.topic() or "", KafkaException(error)
            )
