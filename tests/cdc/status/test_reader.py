"""Readings of the status while changes are on their way."""

from types import SimpleNamespace
from typing import Any

import pytest

from cdc.status.reader import StatusReader
from cdc.wire.records import TopicPartition
from tests.support.feed_settings import without_servers
from tests.support.status import lag


def test_a_change_that_leaves_the_outbox_meanwhile_is_not_overlooked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the counts of a copy under traffic would differ without an explanation."""
    found = {"rows": 1, "end": 0}

    def publish(answer: Any) -> Any:
        """Publish the row after one of the two places was read."""
        found.update(rows=0, end=1)
        return answer

    def end_of(_source: TopicPartition) -> tuple[int, int]:
        answer: tuple[int, int] = publish((0, found["end"]))
        return answer

    def depth(**_: Any) -> Any:
        return publish(SimpleNamespace(rows=found["rows"]))

    away = "127.0.0.1:1"
    settings = without_servers(bootstrap_servers=away, mongodb_uri=f"mongodb://{away}/")
    reader = StatusReader(settings, [])
    monkeypatch.setattr(reader._watermarks, "of", end_of)
    monkeypatch.setattr("cdc.status.reader.outbox.depth", depth)
    assert reader._moved([lag(0, 0.0)]) >= 1
