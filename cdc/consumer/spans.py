"""The spans of the messages that a consumer applies."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from cdc.conf import cdc_settings
from cdc.consumer.batches import Decoded
from cdc.runtime import tracing
from cdc.wire.records import Record


@contextmanager
def applying(decoded: Sequence[Decoded]) -> Iterator[None]:
    """Record a span for each sampled message that the block applies; none if the block fails."""
    started_ns = tracing.now_ns()
    yield
    if tracing.enabled():
        _record([record for record, event in decoded if event], len(decoded), started_ns)


def rejected(record: Record, reason: str) -> None:
    """Record the span of a sampled message that became a dead letter."""
    if tracing.enabled():
        _record([record], 1, tracing.now_ns(), reason)


def _record(records: Iterable[Record], batch: int, started_ns: int, error: str = "") -> None:
    found = [
        (record, traceparent)
        for record in records
        # The tombstone after a delete has no span of its own.
        if record.value is not None and (traceparent := tracing.sampled(record.headers))
    ]
    ended_ns = tracing.now_ns()
    found.sort(key=_topic)
    for topic, pairs in groupby(found, _topic):
        step = tracing.Step(
            name="apply",
            topic=topic,
            sends=False,
            waited_in="kafka",
            started_ns=started_ns,
            ended_ns=ended_ns,
            error=error,
            attributes={
                "messaging.consumer.group.name": cdc_settings().group,
                "change.batch.records": batch,
            },
        )
        tracing.record(
            step, [_traced(record, traceparent, ended_ns) for record, traceparent in pairs]
        )


def _topic(pair: tuple[Record, str]) -> str:
    return pair[0].source.topic


def _traced(record: Record, traceparent: str, ended_ns: int) -> tracing.Traced:
    attributes: dict[str, str | int | float] = {
        **tracing.identity(record.headers),
        "messaging.destination.partition.id": str(record.source.partition),
        "messaging.kafka.offset": record.offset,
    }
    if record.timestamp_ms:
        # The time of a record is the time at which its change was captured.
        attributes["change.delay_ms"] = max(round(ended_ns / 1e6 - record.timestamp_ms, 3), 0.0)
    return tracing.Traced(
        traceparent=traceparent,
        waiting_since_ms=tracing.milliseconds(record.headers, tracing.PUBLISHED),
        attributes=attributes,
    )
