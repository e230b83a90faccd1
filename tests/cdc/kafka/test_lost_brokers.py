"""Clients that have dropped all brokers, because a fenced broker listed none.

librdkafka then never looks for other brokers, in about one of ten cases (its issue 5301). Without
metadata recovery, it never does, so that each case shows what the pipeline does about it.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from confluent_kafka import Consumer, KafkaException

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka import publisher as publishing
from cdc.kafka import source as reading
from cdc.kafka.client import Renewed, consumer_config
from cdc.kafka.cluster import Cluster
from cdc.kafka.groups import Groups
from cdc.kafka.last_published import LastPublished
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.refusals import ErrorLog, Refusal
from cdc.kafka.source import KafkaSource
from cdc.kafka.tail import KafkaTail
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.wire.records import Outgoing, TopicPartition
from project.stack.ports import LOOPBACK, free_port
from tests.support.commands import retried, wait_until
from tests.support.feed_settings import without_servers
from tests.support.kafka import RARE_HEARTBEATS, OwnKafka, running
from tests.support.tls import certificate

pytestmark = pytest.mark.services
TOPIC = "orders"
NO_RECOVERY = {"metadata.recovery.strategy": "none"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnKafka]:
    """Return a broker with a topic; the broker is fenced in each period."""
    own = OwnKafka(tmp_path, RARE_HEARTBEATS)
    with running(own):
        topics = Topics(without_servers(bootstrap_servers=own.address))
        retried(lambda: topics.ensure(TOPIC, 1))
        yield own


@pytest.fixture
def settings(broker: OwnKafka) -> CdcSettings:
    return without_servers(bootstrap_servers=broker.address, topic=TOPIC, kafka_config=NO_RECOVERY)


def lose_brokers(*clients: Any) -> None:
    """Let the clients ask the broker, which always answers, until they have no brokers."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lose_broker, clients))


def lose_broker(client: Any) -> None:
    wait_until(lambda: is_lost(client), "a client without brokers")


def is_lost(client: Any) -> bool:
    """Return whether the client gets no answer for longer than the period of the heartbeats."""
    return not any(is_answered(client) for _ in range(3))


def is_answered(client: Any) -> bool:
    try:
        client.list_topics(timeout=2)
    except KafkaException:
        return False
    return True


def test_requests_get_answers_again(broker: OwnKafka, settings: CdcSettings) -> None:
    topics, others, cluster = Topics(settings), Topics(settings), Cluster(settings)
    groups = Groups(settings)
    with (
        closing(Watermarks(settings)) as watermarks,
        closing(LastPublished(settings, [TOPIC])) as last,
    ):
        renewed = [each._admin for each in (topics, others, cluster, groups)]
        lose_brokers(*(each() for each in renewed), watermarks._consumer(), last._consumer())
        broker.restart()

        requests: dict[Callable[[], object], object] = {
            lambda: topics.partitions(TOPIC): (0,),
            lambda: seen(others): True,
            cluster.brokers: 1,
            lambda: groups.members("unknown"): 0,
            lambda: watermarks.of(TopicPartition(TOPIC, 0)): (0, 0),
            lambda: last(lambda: True): [],
        }
        with ThreadPoolExecutor() as pool:
            assert list(pool.map(retried, requests)) == list(requests.values())


def seen(topics: Topics) -> bool:
    """Return whether a new topic is noticed."""
    wait_until(lambda: topics.recreated({TOPIC: "another id"}), "an answer of Kafka")
    return True


def test_a_client_is_replaced_once_for_all_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics(without_servers(bootstrap_servers=f"{LOOPBACK}:{free_port()}"))
    known = dict.fromkeys(["one", "two", "three"], "an id")
    assert not topics.recreated(known)
    wait_until(lambda: all_done(topics), "the ends of the requests")

    remake = Mock(wraps=topics._admin._remake)
    monkeypatch.setattr(topics._admin, "_remake", remake)
    assert not topics.recreated(known)
    assert remake.call_count == 1
    assert set(topics._descriptions) == set(known)
    time.sleep(1)
    assert not topics.recreated(known)
    assert remake.call_count == 1, "the requests of the new client were dropped"


def all_done(topics: Topics) -> bool:
    return all(description.done() for description in topics._descriptions.values())


def test_a_client_that_cannot_be_replaced_is_kept(tmp_path: Path) -> None:
    """Certificates may be replaced at any time, and not at once."""
    authority = tmp_path / "authority.pem"
    shutil.copy(certificate("authority"), authority)
    settings = without_servers(
        bootstrap_servers=f"{LOOPBACK}:{free_port()}",
        kafka_config={"security.protocol": "SSL", "ssl.ca.location": str(authority)},
    )
    errors = ErrorLog(settings)
    config = consumer_config(settings, error_cb=errors, **{"group.id": "one"})
    renewed = Renewed(Consumer, config, errors, close=lambda client: client.close())
    with closing(renewed):
        first = renewed()
        errors.note(None)
        authority.unlink()
        with pytest.raises(Retryable, match=r"ssl\.ca\.location"):
            renewed()
        assert first.poll(0) is None, "the client is open"

        shutil.copy(certificate("authority"), authority)
        assert renewed() is not first
        assert renewed() is renewed()


def test_a_consumer_that_remembers_a_refusal_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LOST_SECONDS", 0.0)
    settings = without_servers(bootstrap_servers=f"{LOOPBACK}:{free_port()}")
    refusal = Refusal("Kafka refuses the login", "correct the settings")
    with closing(KafkaSource(settings, [TOPIC], "one")) as source:
        first = source._consumer
        monkeypatch.setattr(source._errors, "last_refusal", lambda: refusal)
        with pytest.raises(Retryable, match="Kafka refuses the login"):
            source.poll(1, 0.1)
        assert source._consumer is not first


def test_a_longer_timeout_in_the_settings_delays_the_replacement() -> None:
    slow = without_servers(
        bootstrap_servers=f"{LOOPBACK}:{free_port()}", kafka_config={"socket.timeout.ms": "90000"}
    )
    with closing(KafkaPublisher(slow)) as publisher:
        assert publisher._lost_seconds == 90


def test_records_arrive_again(
    broker: OwnKafka, settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_LOST_SECONDS", 10.0)
    monkeypatch.setattr(reading, "_LOST_SECONDS", 10.0)
    record = Outgoing(topic=TOPIC, key=b"1", value=b"{}", headers=(), timestamp_ms=1)
    with (
        closing(KafkaPublisher(settings)) as publisher,
        closing(KafkaSource(settings, [TOPIC], "one")) as source,
    ):
        wait_until(lambda: read(source) or bool(source.started()), "an assignment")
        lose_brokers(publisher._producer, source._consumer)
        broker.restart()

        deadline = time.monotonic() + 120

        def in_time() -> bool:
            return time.monotonic() < deadline

        assert retried(lambda: publisher.publish([record], in_time)) == {}
        wait_until(lambda: read(source), "the record")


def read(source: KafkaSource) -> bool:
    """Start all assigned partitions; return whether a record has arrived."""
    for partition in source.waiting():
        source.start(partition, None)
    return bool(source.poll(10, 0.2))


def test_a_feed_opens_a_new_tail(broker: OwnKafka, settings: CdcSettings) -> None:
    with closing(KafkaTail(settings)) as tail:
        tail.start({0: 0})
        lose_brokers(tail._consumer)
        broker.restart()
        wait_until(lambda: fails(tail), "an error of the tail")


def fails(tail: KafkaTail) -> bool:
    try:
        tail.poll(10, 0.2)
    except Retryable as error:
        return "Kafka is not responding" in str(error)
    return False
