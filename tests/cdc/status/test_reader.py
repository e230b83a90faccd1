"""Readings of the status while changes are in transit."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from cdc.errors import Retryable
from cdc.status.reader import StatusReader, _Reads
from cdc.wire.records import TopicPartition
from tests.support.feed_settings import without_servers
from tests.support.status import lag


def test_a_change_that_leaves_the_outbox_meanwhile_is_not_overlooked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise, the counts of table and replica would differ without an explanation."""
    found = {"rows": 1, "end": 0}

    def publish(answer: Any) -> Any:
        """Publish the row after the outbox or the topic was read, whichever comes first."""
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
    monkeypatch.setattr(reader._lags._watermarks, "of", end_of)
    monkeypatch.setattr("cdc.status.reader.outbox.depth", depth)
    assert reader._moved([lag(0, 0.0)]) >= 1


class Asked:
    """A service that fails after `seconds` on the clock of the reader."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float, error: Exception) -> None:
        self.times, self._error, self._seconds, self._now = 0, error, seconds, 0.0
        clock = SimpleNamespace(monotonic=lambda: self._now)
        monkeypatch.setattr("cdc.status.reader.time", clock)

    def read(self) -> None:
        self.times += 1
        self._now += self._seconds
        raise self._error


@pytest.mark.parametrize("error", [Retryable("Away."), OperationalError(2013, "Lost connection")])
def test_a_silent_service_is_asked_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A reading of ten values would otherwise wait for ten timeouts."""
    reads, asked = _Reads(), Asked(monkeypatch, 5.0, error)
    for _ in range(3):
        assert reads.attempt("the database", asked.read) is None
    assert asked.times == 1
    assert reads.unreachable == {"the database"}
    assert len(reads.problems) == 1
    assert reads.attempt("Kafka", lambda: 7) == 7


def test_each_value_that_is_refused_at_once_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next value may be readable."""
    reads, asked = _Reads(), Asked(monkeypatch, 0.01, OperationalError(1142, "SELECT denied"))
    assert [reads.attempt("the database", asked.read) for _ in range(3)] == [None] * 3
    assert asked.times == 3
    assert reads.attempt("the database", lambda: 7) == 7


def test_a_text_that_cannot_be_read_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty text would mean that there is no dead letter and no repair to wait for."""

    def fail(reads: _Reads, service: str, read: object) -> None:
        reads.unreachable.add(service)

    monkeypatch.setattr(_Reads, "attempt", fail)
    away = "127.0.0.1:1"
    settings = without_servers(bootstrap_servers=away, mongodb_uri=f"mongodb://{away}/")

    shape = StatusReader(settings, []).read().as_json()

    assert (shape["last_error"], shape["unverified"], shape["dead_letters"]) == (None, None, None)
    assert shape["unreachable"] == ["the database", "Kafka", "MongoDB"]


def test_a_problem_of_a_part_is_a_problem_of_its_service() -> None:
    reads = _Reads()
    reads.report("Kafka", Retryable("No record."))
    assert (reads.problems, reads.unreachable) == (["No record."], {"Kafka"})
    assert reads.attempt("Kafka", lambda: 7) == 7, "it has answered the other requests"
