"""Which errors of Kafka mean that it will never create a topic."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from cdc.errors import Retryable
from cdc.kafka.cluster import Cluster, is_refused
from tests.support.commands import wait_until
from tests.support.feed_settings import without_servers
from tests.support.kafka import RARE_HEARTBEATS, OwnKafka, running

COUNT = "Unable to replicate the partition 3 time(s)"
FENCED = f"{COUNT}: All brokers are currently fenced."
TOO_FEW = (
    f"{COUNT}: The target replication factor of 3 cannot be reached because only 1 broker(s) are "
    "registered."
)


@pytest.mark.parametrize(
    ("code", "text", "refused"),
    [
        (KafkaError.INVALID_REPLICATION_FACTOR, TOO_FEW, True),
        (KafkaError.INVALID_REPLICATION_FACTOR, FENCED, False),
        (KafkaError.POLICY_VIOLATION, "Topic names start with a team.", True),
        (KafkaError.REQUEST_TIMED_OUT, "", False),
    ],
)
def test_an_error_refuses_a_topic(code: int, text: str, *, refused: bool) -> None:
    assert is_refused(KafkaError(code, text)) is refused


@pytest.mark.services
def test_a_broker_whose_heartbeats_are_late_refuses_nothing(tmp_path: Path) -> None:
    """The controller fences such a broker until its next heartbeat, here in each period."""
    with running(OwnKafka(tmp_path, RARE_HEARTBEATS)) as broker:
        cluster = Cluster(without_servers(bootstrap_servers=broker.address))

        wait_until(lambda: "fenced" in error_of(cluster), "a fenced broker")
        wait_until(lambda: error_of(cluster) == "", "a broker that is no longer fenced")


def error_of(cluster: Cluster) -> str:
    """Return the temporary error of a request; empty if Kafka would create the topic."""
    try:
        assert cluster.refusal("new", 5) == ""
    except Retryable as error:
        return str(error)
    return ""
