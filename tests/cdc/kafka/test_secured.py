"""Kafka with TLS and SCRAM: the error messages for wrong settings."""

import logging
import re
import time
from collections.abc import Callable, Iterator

import pytest

from cdc.conf import CdcSettings
from cdc.doctor.check import Level, refuse
from cdc.doctor.kafka import check_kafka
from cdc.errors import CdcError, Retryable
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.source import KafkaSource
from cdc.kafka.tail import KafkaTail
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.runtime.telemetry import KAFKA_ERROR
from cdc.status.probes import ServiceProbes
from cdc.wire.records import Outgoing, TopicPartition
from tests.support.commands import retried, wait_until
from tests.support.feed_settings import LONG_SESSION, without_servers
from tests.support.kafka import USER, SecuredKafka, running, scram_config
from tests.support.tls import certificate

pytestmark = pytest.mark.services
PASSWORD, WRONG_PASSWORD = "the-right-password", "not-the-password"
RIGHT = scram_config(USER, PASSWORD)
LOGIN = "Kafka refuses the login ({}: SASL authentication error: Authentication failed"
CERTIFICATE = "Kafka's certificate is refused ({}: {}): renew the certificate, or correct ssl.ca"
TLS_NEEDED = "Kafka requires TLS on {server}: set security.protocol to SSL or SASL_SSL in"
CLOSED = "Kafka closes each connection to {server}: set security.protocol and the sasl.* settings"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(tmp_path_factory.mktemp("secured"))
    with running(kafka):
        kafka.set_password(USER, PASSWORD)
        yield kafka


WRONG: dict[str, tuple[str, dict[str, str], str]] = {
    "authority": (
        "SECURE",
        scram_config(USER, PASSWORD, "stranger"),
        CERTIFICATE.format("{server}", "self-signed certificate in certificate chain"),
    ),
    "system's authorities": (
        "SECURE",
        {name: value for name, value in RIGHT.items() if name != "ssl.ca.location"},
        CERTIFICATE.format("{server}", "self-signed certificate in certificate chain"),
    ),
    "host name": (
        "MISNAMED",
        RIGHT,
        CERTIFICATE.format(
            "{server}", "IP address mismatch, certificate is not valid for '127.0.0.2'"
        ),
    ),
    "expired": ("EXPIRED", RIGHT, CERTIFICATE.format("{server}", "certificate has expired")),
    "password": ("SECURE", scram_config(USER, WRONG_PASSWORD), LOGIN.format("{server}")),
    "user": ("SECURE", scram_config("stranger", PASSWORD), LOGIN.format("{server}")),
    "mechanism": (
        "SECURE",
        {**RIGHT, "sasl.mechanism": "PLAIN"},
        "Kafka refuses the login ({server}: SASL PLAIN mechanism handshake failed",
    ),
    "plain client": ("SECURE", {}, TLS_NEEDED),
    "plain client with a login": (
        "SECURE",
        {**RIGHT, "security.protocol": "SASL_PLAINTEXT"},
        TLS_NEEDED,
    ),
    "no login": (
        "SECURE",
        {"security.protocol": "SSL", "ssl.ca.location": certificate("authority")},
        CLOSED,
    ),
    "no login without TLS": ("BARE", {}, CLOSED),
    "plain server": (
        "BARE",
        RIGHT,
        "Kafka does not use TLS on {server}: name a listener with TLS in KAFKA_BOOTSTRAP_SERVERS",
    ),
}


def sentence(call: object) -> str:
    assert callable(call)
    try:
        call()
    except CdcError as error:
        return str(error)
    return ""


def logged(settings: CdcSettings, caplog: pytest.LogCaptureFixture) -> str:
    """Return what a running daemon logs; a publisher waits until Kafka is back."""
    deadline = time.monotonic() + 60
    sentences: list[str] = []

    def keep_waiting() -> bool:
        for record in caplog.records:
            text = str(vars(record).get("error", ""))
            if record.getMessage() == KAFKA_ERROR and "brokers are down" not in text:
                sentences.append(text)
        return not sentences and time.monotonic() < deadline

    publisher = KafkaPublisher(settings)
    record = Outgoing(topic="orders", key=b"1", value=b"{}", headers=(), timestamp_ms=1)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cdc.kafka"), pytest.raises(Retryable):
        publisher.publish([record], keep_waiting)
    publisher.close()
    return sentences[0] if sentences else ""


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_named_with_its_broker(
    secured: SecuredKafka, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    listener, config, expected = WRONG[case]
    server = secured.server(listener)
    settings = without_servers(bootstrap_servers=server, kafka_config=config)
    found = {
        "start and doctor": sentence(lambda: refuse(check_kafka(settings))),
        "probe and status": sentence(ServiceProbes(settings).kafka),
        "feed": sentence(KafkaTail(settings).shape),
        "log": logged(settings, caplog),
    }
    assert {
        name: text
        for name, text in found.items()
        if not text.startswith(expected.format(server=server))
    } == {}
    for text in (*found.values(), caplog.text):
        assert PASSWORD not in text
        assert WRONG_PASSWORD not in text
    for text in found.values():
        assert re.search(r": (correct|renew|name|set) .*KAFKA_(CONFIG|BOOTSTRAP).*\.\Z", text), text
        assert "\n" not in text


def test_a_changed_password_is_named_as_long_as_it_is_refused(secured: SecuredKafka) -> None:
    """librdkafka reports an error that repeats only about once a minute."""
    user, topic = "rotating", "orders"
    secured.set_password(user, PASSWORD)
    settings = without_servers(
        bootstrap_servers=secured.server("SECURE"),
        kafka_config={**scram_config(user, PASSWORD), **LONG_SESSION},
        topic=topic,
        group="rotating",
    )
    topics, publisher, tail = Topics(settings), KafkaPublisher(settings), KafkaTail(settings)
    retried(lambda: topics.ensure(topic))
    source, marks = KafkaSource(settings, [topic], "one"), Watermarks(settings)
    record = Outgoing(topic=topic, key=b"1", value=b"{}", headers=(), timestamp_ms=1)
    calls: list[Callable[[], object]] = [
        lambda: topics.exists(topic),
        lambda: publisher.publish([record], lambda: True),
        tail.shape,
        lambda: source.poll(1, 0.2),
        lambda: marks.of(TopicPartition(topic, 0)),
    ]

    def found() -> set[str]:
        return {sentence(call).partition(" (")[0] for call in calls}

    wait_until(lambda: found() == {""}, "all clients are connected")
    for _ in range(2):
        secured.set_password(user, WRONG_PASSWORD)
        wait_until(lambda: found() == {"Kafka refuses the login"}, "all clients are refused")
        secured.set_password(user, PASSWORD)
        wait_until(lambda: found() == {""}, "all clients are accepted again")
    for client in (publisher, tail, source, marks):
        client.close()


def test_right_settings_are_accepted(secured: SecuredKafka) -> None:
    settings = without_servers(bootstrap_servers=secured.server("SECURE"), kafka_config=RIGHT)
    found = {check.id: check for check in retried(lambda: list(check_kafka(settings)))}
    assert found["kafka.reachable"].level is Level.OK
