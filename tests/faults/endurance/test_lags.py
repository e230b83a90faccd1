import pytest

from tests.faults.endurance.lags import Lags


def test_the_recovery_ends_when_the_last_late_change_is_visible() -> None:
    lags = Lags()
    for number, at in enumerate((10.0, 10.5, 11.0, 13.5), 1):
        lags.committed(number, at)
    lags.visible(0, 12.0)
    lags.visible(2, 13.0)  # 3.0 s and 2.5 s late
    lags.visible(3, 13.8)  # 2.8 s late
    lags.visible(4, 14.0)  # in time
    assert lags.recovered(struck_at=10.0) == pytest.approx(3.8)
    assert lags.longest == 3.0


def test_a_lag_that_stays_low_is_no_outage() -> None:
    lags = Lags()
    lags.committed(1, 10.0)
    lags.visible(1, 10.9)
    assert lags.recovered(struck_at=9.0) == 0


def test_a_late_change_before_the_kill_does_not_count() -> None:
    lags = Lags()
    lags.committed(1, 10.0)
    lags.visible(1, 15.0)
    assert lags.recovered(struck_at=16.0) == 0


def test_calm_needs_seconds_without_a_late_change() -> None:
    lags = Lags()
    lags.committed(1, 10.0)
    lags.visible(1, 15.0)
    lags.committed(2, 17.9)
    lags.visible(2, 18.0)
    assert lags.calm(now=18.0, seconds=3)
    assert not lags.calm(now=18.0, seconds=4)


def test_calm_needs_changes_that_arrive() -> None:
    lags = Lags()
    assert not lags.calm(now=100.0, seconds=3), "nothing was ever visible"
    lags.committed(1, 99.5)
    lags.visible(1, 99.6)
    assert lags.calm(now=100.0, seconds=3)
    assert not lags.calm(now=102.0, seconds=3), "nothing new was visible for two seconds"


def test_a_change_that_is_overdue_is_not_calm() -> None:
    lags = Lags()
    lags.committed(1, 100.0)
    lags.visible(1, 100.1)
    lags.committed(2, 100.2)
    assert lags.calm(now=101.1, seconds=3)
    assert not lags.calm(now=101.3, seconds=3)
