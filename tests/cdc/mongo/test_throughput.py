"""Counts the changes that passed the pipeline in each minute."""

from cdc.mongo.throughput import Passed, throughput_of


def passed(captured: int, applied: int | None, changes: int, *, deletes: int = 0) -> Passed:
    return Passed(
        captured=captured, applied=applied, changes=changes, deletes=deletes, slowest=changes / 10
    )


def test_a_change_that_is_applied_later_is_in_transit_until_then() -> None:
    found = throughput_of([passed(0, 0, 5), passed(0, 2, 3), passed(2, 2, 1)], 4)
    assert found.captured == (8, 0, 1, 0)
    assert found.applied == (5, 0, 4, 0)
    assert found.in_transit == (3, 3, 0, 0)


def test_the_delay_of_a_minute_is_its_longest() -> None:
    assert throughput_of([passed(0, 1, 5), passed(1, 1, 9)], 2).delays == (0.0, 0.9)


def test_a_delete_is_published_with_its_tombstone() -> None:
    assert throughput_of([passed(1, 1, 5, deletes=2)], 2).published == (0, 7)


def test_a_clock_that_is_ahead_or_behind_loses_no_change() -> None:
    found = throughput_of([passed(1, 2, 4), passed(0, -1, 3), passed(0, None, 2)], 2)
    assert found.applied == (5, 4)
    assert found.in_transit == (0, 0)


def test_an_empty_history_has_no_changes() -> None:
    found = throughput_of([], 3)
    assert found.captured == found.published == found.in_transit == found.applied == (0, 0, 0)
    assert found.delays == (0.0, 0.0, 0.0)
