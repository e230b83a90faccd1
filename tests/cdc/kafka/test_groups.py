"""Requests about groups while no broker responds. tests/faults stops a broker that responded."""

import pytest

from cdc.errors import Retryable
from cdc.kafka.groups import Groups
from tests.support.feed_settings import without_servers


def test_an_error_that_repeats_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After each unanswered request, a new client is used, which reports the errors again."""
    monkeypatch.setattr("cdc.kafka.refusals.REQUEST_SECONDS", 0.5)
    groups = Groups(without_servers(bootstrap_servers="127.0.0.1:1"))
    for _ in range(3):
        with pytest.raises(Retryable, match="Kafka could not describe the group"):
            groups.members("none")
    texts = [record.__dict__.get("error") for record in caplog.records]
    assert texts
    assert len(texts) == len(set(texts))
