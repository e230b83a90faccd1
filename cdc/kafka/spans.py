"""The spans of the messages that a relay publishes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from confluent_kafka import Message

from cdc.runtime import tracing
from cdc.wire.records import Outgoing


class PublishSpans:
    """Records the spans of the sampled messages of one batch; tombstones have no span."""

    def __init__(self) -> None:
        self._started_ns = tracing.now_ns()
        self._sampled: dict[int, str] = {}
        """The traceparent of each sampled message, by its index in the batch."""
        self._places: dict[int, tracing.Attributes] = {}

    def marked(self, records: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Return the records, with the time of publication as a header of sampled messages."""
        if not tracing.enabled():
            return records
        for index, record in enumerate(records):
            if record.value is not None and (traceparent := tracing.sampled(record.headers)):
                self._sampled[index] = traceparent
        header = (tracing.PUBLISHED, str(self._started_ns // 1_000_000).encode())
        return [
            replace(record, headers=(*record.headers, header)) if index in self._sampled else record
            for index, record in enumerate(records)
        ]

    def delivered(self, index: int, message: Message) -> None:
        """Remember the place of a message that Kafka has acknowledged."""
        if index in self._sampled:
            self._places[index] = {
                "messaging.destination.partition.id": str(message.partition()),
                "messaging.kafka.offset": message.offset() or 0,
            }

    def record(self, records: Sequence[Outgoing], rejected: Mapping[int, str]) -> None:
        """Record the spans of a batch for which Kafka has answered."""
        ended_ns = tracing.now_ns()

        def kind(index: int) -> tuple[str, str]:
            return records[index].topic, rejected.get(index, "")

        for (topic, error), indexes in groupby(sorted(self._sampled, key=kind), kind):
            step = tracing.Step(
                name="publish",
                topic=topic,
                sends=True,
                waited_in="outbox",
                started_ns=self._started_ns,
                ended_ns=ended_ns,
                error=error,
                attributes={"change.batch.records": len(records)},
            )
            tracing.record(step, [self._traced(index, records[index]) for index in indexes])

    def _traced(self, index: int, record: Outgoing) -> tracing.Traced:
        return tracing.Traced(
            traceparent=self._sampled[index],
            waiting_since_ms=record.timestamp_ms,
            attributes={**tracing.identity(record.headers), **self._places.get(index, {})},
        )
