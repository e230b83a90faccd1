"""A configuration that a client may not read is unknown; it is no outage."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from cdc.errors import Retryable
from cdc.kafka.retention import Retention
from tests.cdc.kafka.test_topics import answered
from tests.support.feed_settings import without_servers


def retention(monkeypatch: pytest.MonkeyPatch, *answers: object) -> Retention:
    """Return a Retention to which an absent broker gives these answers, one after the other."""
    found = Retention(without_servers(bootstrap_servers="127.0.0.1:1"))
    left = list(answers)

    def describe_configs(asked: list[Any], **_: Any) -> dict[Any, Any]:
        return {asked[0]: answered(left.pop(0))}

    monkeypatch.setattr(found, "_admin", SimpleNamespace(describe_configs=describe_configs))
    return found


@pytest.mark.parametrize(
    "code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED]
)
def test_a_client_that_may_not_read_the_configuration(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    found = retention(monkeypatch, KafkaException(KafkaError(code)))
    assert [found.seconds("orders") for _ in range(3)] == [None, None, None], "it asks once"


@pytest.mark.parametrize(
    "error", [TimeoutError(), KafkaException(KafkaError(KafkaError._TIMED_OUT))]
)
def test_an_outage_is_retried(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    config = {
        "cleanup.policy": SimpleNamespace(value="compact"),
        "delete.retention.ms": SimpleNamespace(value="5000"),
    }
    found = retention(monkeypatch, error, config)
    with pytest.raises(Retryable, match="could not describe the configuration of 'orders'"):
        found.seconds("orders")
    assert [found.seconds("orders") for _ in range(3)] == [5.0, 5.0, 5.0], "it asks once"
