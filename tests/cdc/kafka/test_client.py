"""The configuration that all Kafka clients share."""

import logging

import pytest
from confluent_kafka import KafkaError

from cdc.errors import Misconfigured
from cdc.kafka import refusals
from cdc.kafka.client import client_config
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.refusals import ErrorLog, unavailable
from tests.support.feed_settings import without_servers

SETTINGS = without_servers(bootstrap_servers="127.0.0.1:9", client_name="shop")


def test_a_broker_must_be_named() -> None:
    with pytest.raises(Misconfigured, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        client_config(without_servers())


def test_the_settings_of_a_deployment_win() -> None:
    settings = without_servers(
        bootstrap_servers="a:1", kafka_config={"linger.ms": "5", "sasl.username": "u"}
    )
    config = client_config(settings, **{"acks": "all", "linger.ms": 0})
    assert (config["acks"], config["linger.ms"], config["sasl.username"]) == ("all", "5", "u")


def refusal(kafka_config: dict[str, str]) -> str:
    settings = without_servers(bootstrap_servers="a:1", kafka_config=kafka_config)
    with pytest.raises(Misconfigured) as caught:
        KafkaPublisher(settings)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sasl.mecanism", "PLAIN"),
        ("security.protocl", "SSL"),
        ("Linger.ms", "5"),
        ("key.serializer", "org.apache.kafka.common.serialization.StringSerializer"),
        ("ssl.truststore.location", "/etc/kafka/truststore.jks"),
        ("security.protocol", "SASL"),
        ("linger.ms", "soon"),
        ("linger.ms", "-5"),
        ("socket.keepalive.enable", "yes"),
        ("", "5"),
        ("client.dns.lookup", "a\nb"),
    ],
)
def test_a_setting_that_the_library_refuses_is_named(name: str, value: str) -> None:
    assert f"KAFKA_CONFIG has {name!r} with the value {value!r}, which" in refusal({name: value})


@pytest.mark.parametrize(
    "name", ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.crl.location"]
)
@pytest.mark.parametrize("protocol", ["SSL", "PLAINTEXT"])
def test_a_missing_file_is_named(name: str, protocol: str) -> None:
    sentence = refusal({"security.protocol": protocol, name: "/missing.pem"})
    assert f"KAFKA_CONFIG has {name!r} with the value '/missing.pem', which cannot be" in sentence


@pytest.mark.parametrize("name", ["sasl.jaas.config", "ssl.keystore.pasword", "sasl.password2"])
def test_a_password_is_not_repeated(name: str) -> None:
    assert "hidden" not in refusal({name: "hidden"})


def test_settings_that_only_together_are_wrong_are_refused() -> None:
    sentence = refusal({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"})
    assert "sasl.username and sasl.password must be set" in sentence


@pytest.mark.parametrize(
    "name",
    [
        *("acks", "request.required.acks", "enable.idempotence", "message.timeout.ms"),
        *("max.in.flight", "max.in.flight.requests.per.connection", "transactional.id"),
        *("delivery.timeout.ms", "delivery.report.only.error", "partitioner", "group.id"),
        *("group.instance.id", "group.protocol", "partition.assignment.strategy"),
        *("auto.offset.reset", "enable.auto.commit", "enable.auto.offset.store"),
        *("isolation.level", "allow.auto.create.topics", "topic.blacklist"),
    ],
)
def test_a_setting_on_which_a_promise_depends_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        without_servers(kafka_config={name: "1"})

    reason = "on which a guarantee of the pipeline depends: remove it."
    assert str(refused.value) == f"KAFKA_CONFIG sets {name!r}, {reason}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bootstrap.servers", "which names the brokers: use KAFKA_BOOTSTRAP_SERVERS instead."),
        ("metadata.broker.list", "which names the brokers: use KAFKA_BOOTSTRAP_SERVERS instead."),
        ("error_cb", "whose value is a Python object, not text: remove it."),
        ("logger", "whose value is a Python object, not text: remove it."),
        ("dr_msg_cb", "whose value is a Python object, not text: remove it."),
        ("test.mock.num.brokers", "which replaces the brokers with simulated ones: remove it."),
        ("plugin.library.paths", "which would load other code into each process: remove it."),
    ],
)
def test_the_refusal_of_another_setting_says_why(name: str, reason: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        without_servers(kafka_config={name: "1"})

    assert str(refused.value) == f"KAFKA_CONFIG sets {name!r}, {reason}"


def test_the_client_is_named_by_the_settings() -> None:
    assert str(client_config(SETTINGS)["client.id"]).startswith("shop@")


def test_each_kind_of_error_is_logged_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ErrorLog(SETTINGS)
    with caplog.at_level(logging.WARNING, "cdc.kafka"):
        for _ in range(3):
            log(KafkaError(KafkaError._TRANSPORT))
        log(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        assert len(caplog.records) == 2
        monkeypatch.setattr(refusals, "_REPEAT_SECONDS", 0.0)
        log(KafkaError(KafkaError._TRANSPORT))
    assert len(caplog.records) == 3


def test_a_request_without_an_answer_says_so() -> None:
    error = unavailable("describe the topic", "orders", TimeoutError())
    assert str(error).startswith("Kafka could not describe the topic 'orders' (no answer in time)")
