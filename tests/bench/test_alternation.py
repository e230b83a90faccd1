"""Systems take turns, and the number of writers grows with the rate."""

from collections import Counter

import pytest

from tests.bench.alternation import rotated
from tests.bench.traffic import writers_for


def test_two_systems_alternate() -> None:
    orders = ["".join(rotated("ab", number)) for number in range(4)]
    assert orders == ["ab", "ba", "ab", "ba"]


def test_each_of_three_systems_is_equally_often_in_each_turn() -> None:
    turns = Counter(
        (turn, item) for number in range(6) for turn, item in enumerate(rotated("abc", number))
    )
    assert set(turns.values()) == {2}
    assert len(turns) == 9


def test_an_empty_list_stays_empty() -> None:
    assert rotated([], 3) == []


@pytest.mark.parametrize(("rate", "writers"), [(1, 4), (100, 4), (200, 4), (400, 8), (801, 17)])
def test_writers_for_a_rate(rate: float, writers: int) -> None:
    assert writers_for(rate) == writers
