"""The feed's tail while the leader of a partition is new."""

from contextlib import closing

import pytest
from confluent_kafka import KafkaError

from cdc.conf import CdcSettings
from cdc.kafka.tail import KafkaTail
from tests.support.commands import retried
from tests.support.stale_client import StaleClient
from tests.support.topics import create_topic


@pytest.mark.services
def test_offsets_are_asked_of_the_new_leader(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topic(feed_settings)
    with closing(KafkaTail(feed_settings)) as tail:
        end = retried(tail.bounds).end
        client = StaleClient(tail._consumer, KafkaError.NOT_LEADER_FOR_PARTITION, 4)
        monkeypatch.setattr(tail, "_consumer", client)
        assert tail.bounds().end == end
        client.left = 4
        assert tail.since(0) == dict(enumerate(end))
        assert client.left == 0
