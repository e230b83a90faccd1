"""The stages of a change, computed from the times at which it was seen."""

from datetime import UTC, datetime

import pytest

from tests.bench.stages.times import NAMES, Seen, applied, stages
from tests.bench.watcher import Commit, Sight


def sights(*seen: tuple[float, int, int]) -> list[Sight]:
    return [Sight(at=at, key=key, mark=mark) for at, key, mark in seen]


def test_each_stage_begins_where_the_one_before_ended() -> None:
    seen = Seen(
        commits=[Commit(at=1.0, key=7, mark=10), Commit(at=2.0, key=8, mark=11)],
        topic=sights((1.25, 7, 10), (2.5, 8, 11)),
        applied=sights((1.5, 7, 10), (2.75, 8, 11)),
        visible=sights((2.5, 7, 10), (4.75, 8, 11)),
    )
    assert {name: sorted(values) for name, values in stages(seen).items()} == {
        NAMES[0]: [0.25, 0.5],
        NAMES[1]: [0.25, 0.25],
        NAMES[2]: [1.0, 2.0],
        NAMES[3]: [1.5, 2.75],
    }


def test_a_change_that_was_never_visible_and_a_repeat_do_not_count() -> None:
    seen = Seen(
        commits=[Commit(at=1.0, key=7, mark=10), Commit(at=2.0, key=7, mark=11)],
        topic=sights((1.5, 7, 10), (2.5, 7, 11), (9.0, 7, 11)),
        applied=sights((3.0, 7, 10), (3.0, 7, 11)),
        visible=sights((4.0, 7, 11)),
    )
    assert [len(values) for values in stages(seen).values()] == [1, 1, 1, 1]
    assert stages(seen)[NAMES[0]] == [0.5]


def test_the_times_of_the_history_are_those_of_the_monotonic_clock() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    item = {"applied_at": at, "key": 7, "after": {"diggs": 10}}
    deleted = {"applied_at": at, "key": 7, "after": None}
    (first, last) = applied([item, deleted], -at.timestamp())
    assert (first.key, first.mark, last.mark) == (7, 10, None)
    assert first.at == pytest.approx(0.0005, abs=1e-6)
