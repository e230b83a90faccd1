"""The publisher: writes records in order and waits until Kafka has acknowledged them."""

import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from cdc.conf import LARGEST_EVENT_LIMIT, TOPIC_NAME, CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import ENVELOPE_ROOM, client_config, make_client, remake_client
from cdc.kafka.refusals import ErrorLog
from cdc.kafka.spans import PublishSpans
from cdc.kafka.topics import Topics
from cdc.wire.records import Outgoing

_REJECTING = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._INVALID_DIFFERENT_RECORD,  # noqa: SLF001 -- a documented code
    }
)
"""Error codes for a permanently rejected record, and for the other records in the same batch."""
_TOPIC_MISSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 -- a documented code
    }
)
_TOPIC_PATIENCE_MS = 3_000
"""How long a topic may be unknown before it is considered missing."""
_PARTIAL_SECONDS = 30.0
"""How long a call waits for brokers that refuse the client, if other brokers accepted records."""
_LOST_SECONDS = 60.0
"""How long Kafka may acknowledge nothing before the client is replaced.

A longer `socket.timeout.ms` in KAFKA_CONFIG applies instead; the library's default is equal.
"""


class KafkaPublisher:
    """Writes records in order, and waits until Kafka has acknowledged them all.

    The producer is idempotent and uses `acks=all`. Records never expire, so an outage only delays
    them. A missing topic is created: it may have been deleted, or it may have been renamed after an
    outbox row with the old name was written. `partitions` maps topics to the numbers of partitions
    with which they are created. If it has no number for a topic, or 0, the number in the settings
    is used.
    """

    def __init__(self, settings: CdcSettings, partitions: Mapping[str, int] | None = None) -> None:
        self._settings = settings
        self._partitions = partitions or {}
        self._errors = ErrorLog(settings)
        self._config = client_config(
            settings,
            error_cb=self._errors,
            **{
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "message.timeout.ms": 0,
                "topic.metadata.propagation.max.ms": _TOPIC_PATIENCE_MS,
                "partitioner": "murmur2_random",
                # Not MAX_EVENT_BYTES: after that limit was lowered, a row that is already larger
                # can still change. Its topic was created with the higher limit.
                "message.max.bytes": LARGEST_EVENT_LIMIT + ENVELOPE_ROOM,
                "queue.buffering.max.messages": 100_000,
            },
        )
        self._producer = make_client(Producer, self._config)
        timeout = float(self._config.get("socket.timeout.ms", 0)) / 1000
        self._lost_seconds = max(_LOST_SECONDS, timeout)
        self._heard_at = time.monotonic()

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Write `records`; return the reasons for permanent rejections, by index in `records`.

        Raise Retryable if any other record was not acknowledged; the caller must then write all
        records again. Call `keep_waiting` at least every 0.1 s. When `keep_waiting` returns False,
        or brokers refuse the login or TLS, or Kafka has acknowledged no record for 60 s, drop the
        records in flight and raise Retryable. If some records were acknowledged, a refusal by a
        broker raises Retryable only 30 s after the call began: perhaps only some brokers refuse the
        client, and each repetition writes the acknowledged records once more.
        """
        began = self._heard_at = time.monotonic()
        outcomes: dict[int, KafkaError | None] = {}
        spans = PublishSpans()
        records = spans.marked(records)

        def require_connection() -> None:
            is_early = time.monotonic() - began < _PARTIAL_SECONDS
            patient = is_early and _any_acknowledged(outcomes)
            self._require_connection(keep_waiting, patient=patient)

        try:
            for index, record in enumerate(records):
                while not self._produced(index, record, outcomes, spans):
                    self._producer.poll(0.1)
                    require_connection()
            while len(outcomes) < len(records):
                self._producer.poll(0.1)
                if len(outcomes) < len(records):
                    require_connection()
        except Retryable:
            # Otherwise, records in flight could arrive after newer records of another relay.
            self._restart()
            raise
        rejected = self._verdict(records, outcomes)
        spans.record(records, rejected)
        return rejected

    def close(self) -> None:
        """Drop the records in flight."""
        self._producer.purge()
        self._producer.poll(0)

    def _require_connection(self, keep_waiting: Callable[[], bool], *, patient: bool) -> None:
        if not keep_waiting():
            raise Retryable("Publishing was cancelled: the records stay in the outbox.")
        # The client itself would silently keep trying, because its records never expire.
        if not patient and (refusal := self._errors.last_refusal()):
            raise Retryable(refusal.text)
        # A client may have lost its brokers for good: see `Renewed`.
        if time.monotonic() - self._heard_at >= self._lost_seconds:
            raise Retryable(
                f"Kafka has not acknowledged a batch for {self._lost_seconds:g} s: "
                "check its brokers."
            )

    def _produced(
        self,
        index: int,
        record: Outgoing,
        outcomes: dict[int, KafkaError | None],
        spans: PublishSpans,
    ) -> bool:
        """Give a record to the client; return False if the client's queue is full."""

        def delivered(error: KafkaError | None, message: Message) -> None:
            outcomes[index] = error
            if error is None:
                self._errors.forget()
                self._heard_at = time.monotonic()
            spans.delivered(index, message)

        if not TOPIC_NAME.match(record.topic):
            # Kafka may report an invalid name as an unknown topic, and that error would be retried.
            outcomes[index] = KafkaError(KafkaError.TOPIC_EXCEPTION)
            return True
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
            return False
        except KafkaException as error:
            outcomes[index] = error.args[0]
        else:
            self._producer.poll(0)
        return True

    def _verdict(
        self, records: Sequence[Outgoing], outcomes: Mapping[int, KafkaError | None]
    ) -> dict[int, str]:
        failed = {index: error for index, error in outcomes.items() if error is not None}
        for index, error in failed.items():
            if error.code() not in _REJECTING or error.fatal():
                # After a fatal error, a producer sends nothing more. The caller writes the records
                # again with the new producer.
                self._restart()
                if error.code() in _TOPIC_MISSING:
                    topic = records[index].topic
                    Topics(self._settings).ensure(topic, self._partitions.get(topic, 0))
                raise Retryable(f"Kafka did not acknowledge a batch ({error}): retrying.")
        return {index: str(error) for index, error in failed.items()}

    def _restart(self) -> None:
        self.close()
        self._producer = remake_client(Producer, self._config)
        self._errors.forget()  # The new client reports its own errors.


def _any_acknowledged(outcomes: Mapping[int, KafkaError | None]) -> bool:
    # `None in` would compare each KafkaError with None, which raises TypeError.
    return any(error is None for error in outcomes.values())


def _timestamp(record: Outgoing) -> int:
    """Return a timestamp that Kafka accepts: neither before 1970 nor in the future.

    Kafka rejects a time far in the future, so a host with a fast clock would block all changes.
    """
    return max(min(record.timestamp_ms, round(time.time() * 1000)), 0)
