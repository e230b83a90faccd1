"""The duration of an outage is never longer than it was observed."""

import time

import pytest

from project.pages.outage_clock import UNSEEN_SECONDS, OutageClock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: found[0])
    return found


def test_an_outage_is_timed_from_the_first_reading_without_a_break(now: list[float]) -> None:
    clock, found = OutageClock(), []
    for _ in range(3):
        found.append(clock.seen(["MongoDB"]))
        now[0] += UNSEEN_SECONDS
    assert found == [0.0, UNSEEN_SECONDS, 2 * UNSEEN_SECONDS]
    clock.stop()
    assert clock.seen(["MongoDB"]) == 0.0


def test_an_outage_that_nobody_has_watched_may_be_another_one(now: list[float]) -> None:
    clock = OutageClock()
    clock.seen(["MongoDB"])
    now[0] += UNSEEN_SECONDS + 0.1
    assert clock.seen(["MongoDB"]) == 0.0


def test_each_service_is_timed_alone(now: list[float]) -> None:
    clock = OutageClock()
    clock.seen(["MongoDB"])
    now[0] += 5
    assert clock.seen(["Kafka", "MongoDB"]) == 0.0
    now[0] += 5
    assert clock.seen(["MongoDB"]) == 10.0
    assert clock.seen(["Kafka"]) == 0.0
    assert clock.seen([]) == 0.0, "not known which service it is"
