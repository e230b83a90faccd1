"""The publisher: records in their order, until Kafka has acknowledged all of them."""

import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from cdc.conf import TOPIC_NAME, CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import ENVELOPE_ROOM, client_config
from cdc.kafka.topics import Topics
from cdc.wire.records import Outgoing

_REJECTING = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._INVALID_DIFFERENT_RECORD,  # noqa: SLF001 -- the library's own name
    }
)
"""What Kafka says of a record that it will never take, and of its neighbours in a batch."""
_TOPICLESS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 -- the library's own name
    }
)
_TOPIC_PATIENCE_MS = 3_000
"""How long a topic may be unknown before it is taken for missing."""


class KafkaPublisher:
    """Writes records in their order and returns when Kafka has acknowledged all of them.

    Idempotent, `acks=all`, and no record expires before another: an outage is waited out. A topic
    that is missing is created: one may have been deleted, or a row be older than a topic's name.
    """

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._config = client_config(
            settings,
            **{
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "message.timeout.ms": 0,
                "topic.metadata.propagation.max.ms": _TOPIC_PATIENCE_MS,
                "partitioner": "murmur2_random",
                "message.max.bytes": settings.max_event_bytes + ENVELOPE_ROOM,
                "queue.buffering.max.messages": 100_000,
            },
        )
        self._producer = Producer(self._config)

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Write `records`; return what was rejected for good, reasons by index.

        Raises Retryable when any other was not acknowledged: all are to be written again. Asks
        `keep_waiting` at least every 0.1 s; when it says no, what is in flight is given up.
        """
        outcomes: dict[int, KafkaError | None] = {}
        for index, record in enumerate(records):
            self._produce(index, record, outcomes)
        try:
            while len(outcomes) < len(records):
                self._producer.poll(0.1)
                if len(outcomes) < len(records) and not keep_waiting():
                    raise Retryable("Records in flight were given up: they stay in the outbox.")
        except Retryable:
            # What is in flight must not arrive after somebody else's newer records.
            self._start_again()
            raise
        return self._verdict(records, outcomes)

    def close(self) -> None:
        """Drop what is in flight."""
        self._producer.purge()
        self._producer.poll(0)

    def _produce(
        self, index: int, record: Outgoing, outcomes: dict[int, KafkaError | None]
    ) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            outcomes[index] = error

        if not TOPIC_NAME.match(record.topic):
            # Kafka calls such a topic unknown, now and then.
            outcomes[index] = KafkaError(KafkaError.TOPIC_EXCEPTION)
            return
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    timestamp=_timestamp(record),
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                outcomes[index] = error.args[0]
                return
            else:
                self._producer.poll(0)
                return

    def _verdict(
        self, records: Sequence[Outgoing], outcomes: Mapping[int, KafkaError | None]
    ) -> dict[int, str]:
        failed = {index: error for index, error in outcomes.items() if error is not None}
        for index, error in failed.items():
            if error.code() not in _REJECTING or error.fatal():
                # A producer with a fatal error never sends again; a new one starts from the
                # lowest row that is not acknowledged.
                self._start_again()
                if error.code() in _TOPICLESS:
                    Topics(self._settings).ensure(records[index].topic)
                raise Retryable(f"Kafka did not take a batch ({error}): it is sent again.")
        return {index: str(error) for index, error in failed.items()}

    def _start_again(self) -> None:
        self.close()
        self._producer = Producer(self._config)


def _timestamp(record: Outgoing) -> int:
    """Return a time that Kafka takes: it refuses times to come and times before 1970.

    A host whose clock ran ahead for a while must not hold up every change since.
    """
    return max(min(record.timestamp_ms, round(time.time() * 1000)), 0)
