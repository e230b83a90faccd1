"""The spans of applied and rejected messages, and of a batch that is tried again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from cdc.errors import Retryable
from cdc.mongo.plan import Applied
from cdc.testing.twins import MemoryReplica
from cdc.wire.records import Outgoing
from tests.cdc.consumer.test_consumer import TOPIC, Feed
from tests.support.builders import change, outgoing, tombstone
from tests.support.traces import SAMPLED, UNSAMPLED, attributes, recorded

PUBLISHED = ("published_ms", b"1764000000500")


def traced(record: Outgoing, traceparent: str = SAMPLED) -> Outgoing:
    return replace(
        record, headers=(*record.headers, ("traceparent", traceparent.encode()), PUBLISHED)
    )


def test_a_change_has_a_span_with_its_waiting_times() -> None:
    feed = Feed()
    event = change("c", 1, 7)
    feed.send(traced(outgoing(event, TOPIC)), outgoing(change("c", 2, 8), TOPIC))
    feed.send(traced(outgoing(change("c", 3, 9), TOPIC), UNSAMPLED))
    with recorded() as spans:
        feed.drain()
    assert spans.names == ["wait in kafka", f"apply {TOPIC}"]
    apply = spans.named(f"apply {TOPIC}")
    assert apply.kind is SpanKind.CONSUMER
    found = attributes(apply)
    assert (found["change.outbox_id"], found["change.batch.records"]) == (7, 3)
    assert found["messaging.operation.type"] == "process"
    assert found["change.delay_ms"] == pytest.approx(
        found["change.wait.kafka_ms"] + 493, abs=10_000
    )


def test_the_tombstone_of_a_delete_has_no_span() -> None:
    feed = Feed()
    event = change("d", 1, 7)
    feed.send(traced(outgoing(event, TOPIC)), traced(tombstone(event, TOPIC)))
    with recorded() as spans:
        feed.drain()
    assert spans.names.count(f"apply {TOPIC}") == 1


@pytest.mark.parametrize("broken", [{"value": b"{"}, {"key": b"x"}], ids=str)
def test_a_dead_letter_has_a_span_with_the_reason(broken: Mapping[str, Any]) -> None:
    feed = Feed()
    feed.send(replace(traced(outgoing(change("c", 1, 7), TOPIC)), **broken))
    with recorded() as spans:
        feed.drain()
    (reason,) = feed.letters.kept.values()
    status = spans.named(f"apply {TOPIC}").status
    assert (status.status_code, status.description) == (StatusCode.ERROR, reason)


def test_neither_the_log_nor_the_span_of_a_dead_letter_quotes_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed = Feed()
    row = {"id": 1, "diggs": "ann@example.org"}
    feed.send(traced(outgoing(replace(change("c", 1, 7), after=row), TOPIC)))
    with recorded() as spans:
        feed.drain()
    (reason,) = feed.letters.kept.values()
    assert reason == "Column diggs contains 'ann@example.org', not a 64-bit integer."
    (logged,) = [vars(each) for each in caplog.records if each.message == "message.rejected"]
    public = "Column diggs contains an invalid value, not a 64-bit integer."
    assert (logged["reason"], logged["topic"]) == (public, TOPIC)
    assert "ann@" not in str(logged)
    assert spans.named(f"apply {TOPIC}").status.description == public


class Failing(MemoryReplica):
    """A replica that refuses its first two batches."""

    left = 2

    def apply(self, *arguments: Any, **options: Any) -> Applied:
        if type(self).left:
            type(self).left -= 1
            raise Retryable("not now")
        return super().apply(*arguments, **options)


def test_only_the_attempt_that_succeeds_has_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "left", 2)
    feed = Feed(replica=Failing)
    feed.send(traced(outgoing(change("c", 1, 7), TOPIC)))
    with recorded() as spans:
        for _ in range(6):
            with suppress(Retryable):
                feed.consumer.run_once()
    assert Failing.left == 0
    assert spans.names.count(f"apply {TOPIC}") == 1
