import pytest

from tests.faults.schedule.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_fast_writer_waits() -> None:
    clock = Clock()
    pace, pauses = Pace(10, clock), []
    for changes in (1, 5, 0, 2):
        clock.now += 0.01
        pauses.append(pace.pause(changes))
        clock.now += pauses[-1]
    assert [round(pause, 2) for pause in pauses] == [0.09, 0.49, 0, 0.18]
    assert clock.now == pytest.approx(100.8)


def test_a_slow_writer_does_not_wait() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    clock.now += 0.5
    assert pace.pause(2) == 0
    assert pace.pause(4) == pytest.approx(0.1), "it has caught up"


def test_an_outage_is_not_followed_by_a_burst() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    clock.now += 60
    changes = 0
    while pace.pause(1) == 0:
        changes += 1
    assert changes == 10, "the changes of one second"
