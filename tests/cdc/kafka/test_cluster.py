"""Which errors of Kafka mean that it will never create a topic."""

import time
from pathlib import Path

import psutil
import pytest
from confluent_kafka import KafkaError

from cdc.errors import Retryable
from cdc.kafka.cluster import Cluster, is_refused
from tests.support.commands import retried, wait_until
from tests.support.feed_settings import without_servers
from tests.support.kafka import OwnKafka, running

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
def test_a_broker_that_got_no_cpu_time_refuses_nothing(tmp_path: Path) -> None:
    """The controller fences such a broker until its next heartbeat."""
    with running(OwnKafka(tmp_path)) as broker:
        cluster = Cluster(without_servers(bootstrap_servers=broker.address))
        assert retried(lambda: cluster.refusal("new", 5)) == ""
        process = psutil.Process(broker.child.pid)

        def is_fenced() -> bool:
            process.suspend()
            time.sleep(3)
            process.resume()
            errors = [error_of(cluster) for _ in range(10)]
            return any("fenced" in each for each in errors)

        wait_until(is_fenced, "the controller fences the broker")


def error_of(cluster: Cluster) -> str:
    """Return the temporary error of a request; empty if Kafka would create the topic."""
    try:
        assert cluster.refusal("new", 5) == ""
    except Retryable as error:
        return str(error)
    return ""
