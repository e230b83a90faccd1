"""The configuration that all Kafka clients share."""

import logging

import pytest
from confluent_kafka import KafkaError

from cdc.errors import Misconfigured
from cdc.kafka import client
from cdc.kafka.client import ErrorLog, client_config, unavailable
from tests.support.feed_settings import without_servers

SETTINGS = without_servers(bootstrap_servers="127.0.0.1:9", client_name="shop")


def test_a_broker_must_be_named() -> None:
    with pytest.raises(Misconfigured, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        client_config(without_servers())


def test_the_settings_of_a_deployment_win() -> None:
    settings = without_servers(
        bootstrap_servers="a:1", kafka_config={"acks": "1", "sasl.username": "u"}
    )
    config = client_config(settings, **{"acks": "all", "linger.ms": 0})
    assert (config["acks"], config["linger.ms"], config["sasl.username"]) == ("1", 0, "u")


def test_the_client_is_named_by_the_settings() -> None:
    assert str(client_config(SETTINGS)["client.id"]).startswith("shop@")


def test_each_kind_of_error_is_logged_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ErrorLog()
    with caplog.at_level(logging.WARNING, "cdc.kafka"):
        for _ in range(3):
            log(KafkaError(KafkaError._TRANSPORT))
        log(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        assert len(caplog.records) == 2
        monkeypatch.setattr(client, "_REPEAT_SECONDS", 0.0)
        log(KafkaError(KafkaError._TRANSPORT))
    assert len(caplog.records) == 3


def test_a_request_without_an_answer_says_so() -> None:
    error = unavailable("describe the topic", "orders", TimeoutError())
    assert str(error).startswith("Kafka could not describe the topic 'orders' (no answer in time)")
