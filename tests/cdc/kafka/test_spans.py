"""The spans of published messages, on a real broker."""

from dataclasses import replace

import pytest
from opentelemetry.trace import StatusCode

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.publisher import KafkaPublisher
from cdc.wire.records import Outgoing
from tests.support.commands import retried
from tests.support.topics import create_topic
from tests.support.traces import SAMPLED, UNSAMPLED, attributes, recorded

pytestmark = pytest.mark.services


def message(settings: CdcSettings, traceparent: str = "", value: bytes | None = b"{}") -> Outgoing:
    headers = (("outbox_id", b"7"), ("epoch", b"3"))
    return Outgoing(
        topic=settings.topic,
        key=b'{"id":1}',
        value=value,
        headers=(*headers, ("traceparent", traceparent.encode())) if traceparent else headers,
        timestamp_ms=1_764_000_000_000,
    )


def test_only_sampled_messages_have_spans(feed_settings: CdcSettings) -> None:
    create_topic(feed_settings)
    publisher = KafkaPublisher(feed_settings)
    records = [
        message(feed_settings),
        message(feed_settings, UNSAMPLED),
        message(feed_settings, SAMPLED),
        message(feed_settings, SAMPLED, None),
        replace(message(feed_settings, SAMPLED), topic="no topic"),
    ]
    with recorded() as spans:
        rejected = retried(lambda: publisher.publish(records, lambda: True))
    publisher.close()
    assert list(rejected) == [4]
    assert sorted(spans.names) == [
        "publish no topic",
        f"publish {feed_settings.topic}",
        *["wait in outbox"] * 2,
    ]
    found = attributes(spans.named(f"publish {feed_settings.topic}"))
    assert (found["change.outbox_id"], found["change.epoch"], found["change.batch.records"]) == (
        7,
        3,
        5,
    )
    assert found["messaging.kafka.offset"] >= 2  # an attempt may have been repeated
    assert spans.named("publish no topic").status.status_code is StatusCode.ERROR


def test_an_attempt_that_kafka_did_not_acknowledge_has_no_span(feed_settings: CdcSettings) -> None:
    away = replace(feed_settings, bootstrap_servers="127.0.0.1:1")
    publisher = KafkaPublisher(away)
    with recorded() as spans, pytest.raises(Retryable):
        publisher.publish([message(away, SAMPLED)], lambda: False)
    publisher.close()
    assert spans.names == []
