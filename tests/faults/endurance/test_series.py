import pytest

from tests.faults.endurance.series import LIMITS, MEMORY, THREADS, Samples, not_judged, slope, trend

HOUR = 3600.0


def test_the_slope_is_that_of_the_line() -> None:
    assert slope([(at, 5 + at / 4) for at in range(10)]) == pytest.approx(0.25)


def test_outliers_do_not_change_the_slope() -> None:
    points = [(at, 0.0 if at in {3, 40, 41} else 7.0) for at in range(60)]
    assert slope(points) == 0


def test_a_figure_that_grows_with_each_fault_is_found() -> None:
    # A thread is lost every 20 minutes.
    points = [(at, 9 + at // 1200) for at in range(0, 3600, 10)]
    found = trend("relay-2", THREADS, points, HOUR)
    assert found is not None
    assert found.grows
    assert "9.0 -> 11.0" in str(found)
    assert "GROWS" in str(found)


def test_the_warm_up_does_not_count() -> None:
    points = [(at, min(at, 500) / 5) for at in range(0, 3600, 10)]
    found = trend("relay-2", MEMORY, points, HOUR)
    assert found is not None
    assert (found.first, found.last, found.per_hour, found.grows) == (100, 100, 0, False)
    assert found.minutes == pytest.approx(50, abs=0.2)


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_a_trend_counts_only_above_its_limit(share: float) -> None:
    points = [(at, share * LIMITS[MEMORY] * at / HOUR) for at in range(0, 3600, 10)]
    found = trend("web", MEMORY, points, HOUR)
    assert found is not None
    assert found.grows == (share > 1)


def test_a_restarted_process_begins_a_new_series() -> None:
    samples = Samples()
    for at in range(0, 3600, 10):
        samples.add(at, "relay-1", 100 if at < 900 else 200, MEMORY, 70 if at < 900 else 75)
    first, second = samples.trends(HOUR)
    assert (first.name, first.judged) == ("relay-1 (100)", False)
    assert (second.name, second.judged, second.per_hour) == ("relay-1 (200)", True, 0)
    assert "too short to judge" in str(first)


def test_a_series_within_its_warm_up_has_no_trend() -> None:
    assert trend("relay-1", MEMORY, [(at, 1.0) for at in range(0, 590, 10)], HOUR) is None


def test_a_kind_without_a_long_series_is_named() -> None:
    samples = Samples()
    for at in range(0, 3600, 10):
        samples.add(at, "relay-2", 1, THREADS, 9)
        samples.add(at, "consumer-1", at // 600, THREADS, 9)
    assert not_judged(samples.trends(HOUR), ["relay", "consumer", "web"]) == ["consumer", "web"]
