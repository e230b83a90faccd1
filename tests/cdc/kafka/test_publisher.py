"""The publisher of Kafka: outages, large records and wrong timestamps."""

import threading
import time
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.publisher import KafkaPublisher, _timestamp
from cdc.kafka.topics import Topics
from cdc.wire.records import Outgoing
from tests.support.feed_settings import without_servers
from tests.support.topics import create_topic

AWAY = without_servers(bootstrap_servers="127.0.0.1:1")


def record(timestamp_ms: int = 0) -> Outgoing:
    return Outgoing(topic="orders", key=b"1", value=b"{}", headers=(), timestamp_ms=timestamp_ms)


def test_an_outage_lasts_until_the_caller_stops_waiting() -> None:
    publisher = KafkaPublisher(AWAY)
    answers, client = iter([True, True, False]), publisher._producer

    with pytest.raises(Retryable, match="the records stay in the outbox"):
        publisher.publish([record()], lambda: next(answers))

    assert next(answers, None) is None
    assert publisher._producer is not client, "no record of the cancelled batch can arrive later"
    publisher.close()


def test_an_outage_with_a_full_queue_lasts_until_the_caller_stops_waiting() -> None:
    """The relay must renew its lease and report the outage meanwhile."""
    small = {"queue.buffering.max.kbytes": "1"}
    publisher = KafkaPublisher(replace(AWAY, kafka_config={**AWAY.kafka_config, **small}))
    answers, client = iter([True, True, False]), publisher._producer
    large = replace(record(), value=b"x" * 800)

    with pytest.raises(Retryable, match="the records stay in the outbox"):
        publisher.publish([large] * 3, lambda: next(answers))

    assert next(answers, None) is None
    assert publisher._producer is not client
    publisher.close()


def test_an_outage_of_any_length_keeps_the_records_and_their_order() -> None:
    publisher = KafkaPublisher(AWAY)
    kept = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": 0}
    assert {name: publisher._config[name] for name in kept} == kept
    publisher.close()


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError._TIMED_OUT, KafkaError._PURGE_QUEUE]
)
def test_a_temporary_error_is_no_rejection(code: int) -> None:
    publisher = KafkaPublisher(AWAY)
    outcomes = {0: None, 1: KafkaError(code), 2: KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)}

    with pytest.raises(Retryable, match="did not acknowledge"):
        publisher._verdict([record()] * 3, outcomes)
    del outcomes[1]
    assert list(publisher._verdict([record()] * 3, outcomes)) == [2]
    publisher.close()


@pytest.mark.parametrize(
    ("partitions", "expected"), [({}, 0), ({"orders": 0}, 0), ({"orders": 1}, 1)]
)
def test_a_missing_topic_gets_its_own_number_of_partitions(
    monkeypatch: pytest.MonkeyPatch, partitions: dict[str, int], expected: int
) -> None:
    """The topic of the canary has one partition, whatever KAFKA_PARTITIONS is."""
    ensured: list[tuple[str, int]] = []
    monkeypatch.setattr(Topics, "ensure", lambda _self, *topic: ensured.append(topic))
    publisher = KafkaPublisher(AWAY, partitions)

    with pytest.raises(Retryable, match="did not acknowledge"):
        publisher._verdict([record()], {0: KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)})

    assert ensured == [("orders", expected)]
    publisher.close()


@pytest.mark.services
@pytest.mark.parametrize(("seconds", "reason"), [(600.0, "was cancelled"), (0.0, "refuse")])
def test_a_refusal_after_an_acknowledgement_is_reported_later(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch, seconds: float, reason: str
) -> None:
    """If only some brokers refuse the client, each repetition writes the other records again."""
    monkeypatch.setattr("cdc.kafka.publisher._PARTIAL_SECONDS", seconds)
    # The other record waits for its topic until the end of the test.
    monkeypatch.setattr("cdc.kafka.publisher._TOPIC_PATIENCE_MS", 600_000)
    create_topic(feed_settings)
    publisher = KafkaPublisher(feed_settings)
    sent = replace(record(), topic=feed_settings.topic)
    missing = replace(record(), topic=f"{feed_settings.topic}-missing")
    acknowledged = threading.Event()
    monkeypatch.setattr(publisher._errors, "forget", acknowledged.set)
    asked: list[bool] = []
    deadline = time.monotonic() + 90

    def keep_waiting() -> bool:
        if not acknowledged.is_set():
            return time.monotonic() < deadline
        asked.append(True)
        if len(asked) == 1:
            publisher._errors(KafkaError(KafkaError._AUTHENTICATION, "sasl_ssl://a:1/1: refused"))
        return len(asked) < 5

    with pytest.raises(Retryable, match=reason):
        publisher.publish([sent, missing], keep_waiting)
    assert asked
    publisher.close()


@pytest.mark.services
def test_kafka_decides_whether_a_row_over_the_lowered_limit_is_rejected(
    feed_settings: CdcSettings,
) -> None:
    create_topic(feed_settings, "orders")
    publisher = KafkaPublisher(replace(feed_settings, max_event_bytes=1_000))
    small, large = (replace(record(), value=b"1" * size) for size in (500_000, 2_000_000))

    rejected = publisher.publish([small, large], lambda: True)

    assert list(rejected) == [1]
    publisher.close()


def test_no_timestamp_is_in_the_future_or_before_1970() -> None:
    now = time.time() * 1000
    assert _timestamp(record(-5)) == 0
    assert _timestamp(record(1_764_000_000_000)) == 1_764_000_000_000
    assert now - 1 <= _timestamp(record(2**60)) <= now + 60_000
