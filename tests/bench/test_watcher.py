"""Delays and returns to older states, computed from commits and observed changes."""

import pytest

from tests.bench.watcher import Commit, Sight, delays, key_of, steps_back


def sights(*seen: tuple[float, int, int | None]) -> list[Sight]:
    return [Sight(at=at, key=key, mark=mark) for at, key, mark in seen]


def commits(*made: tuple[float, int, int]) -> list[Commit]:
    return [Commit(at=at, key=key, mark=mark) for at, key, mark in made]


def test_delay_is_from_a_commit_until_that_change_is_seen() -> None:
    made = commits((1.0, 7, 10), (2.0, 8, 11))
    assert delays(made, sights((2.5, 8, 11), (3.0, 7, 10))) == [0.5, 2.0]


def test_older_states_and_other_rows_do_not_count() -> None:
    made = commits((1.0, 7, 10))
    assert delays(made, sights((1.5, 7, 9), (1.6, 8, 10))) == []


def test_a_later_change_of_the_row_covers_earlier_ones() -> None:
    made = commits((1.0, 7, 10), (2.0, 7, 11))
    assert delays(made, sights((3.0, 7, 11))) == [2.0, 1.0]


def test_change_seen_twice_counts_once() -> None:
    assert delays(commits((1.0, 7, 10)), sights((2.0, 7, 10), (9.0, 7, 10))) == [1.0]


@pytest.mark.parametrize(
    ("marks", "count"),
    [
        ([1, 2, 3], 0),
        ([1, 2, 2], 0),
        ([1, 3, 2, 3], 1),
        ([1, 2, None], 0),
        ([1, 2, None, 1, 2, None], 2),
    ],
)
def test_steps_back_are_older_states_and_reappearances(marks: list[int | None], count: int) -> None:
    assert steps_back(sights(*((0.0, 7, mark) for mark in marks))) == count


def test_key_of_the_peers_documents_is_nested() -> None:
    assert key_of(7) == key_of({"id": 7}) == 7
