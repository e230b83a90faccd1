"""The ids that are published or unused, and the gaps between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.outbox.progress import (
    SETTLE_AGE_SECONDS,
    Progress,
    Range,
    Ranges,
    covering,
    ranges_of,
)


@given(
    added=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 6)), max_size=30),
    upto=st.integers(0, 60),
    asked=st.tuples(st.integers(1, 70), st.integers(0, 70)),
)
def test_ranges_hold_what_a_set_holds(
    added: list[tuple[int, int]], upto: int, asked: tuple[int, int]
) -> None:
    ranges, known = Ranges(), set[int]()
    for first, more in added:
        ranges.add(first, first + more)
        known.update(range(first, first + more + 1))

    assert {number for number in range(80) if number in ranges} == known
    missing = [number for number in range(asked[0], asked[1] + 1) if number not in known]
    assert list(ranges.between(*asked)) == ranges_of(missing)
    last = ranges.discard_upto(upto)
    expected = upto
    while expected + 1 in known:
        expected += 1
    assert last == expected
    assert {number for number in range(80) if number in ranges} == {
        number for number in known if number > last
    }


@pytest.mark.parametrize("asked", [(6, 6), (6, 9), (1, 3), (4, 6), (12, 12)])
def test_gaps_are_sought_only_where_asked(asked: Range) -> None:
    ranges = Ranges()
    for first, last in [(1, 2), (4, 5), (10, 11)]:
        ranges.add(first, last)

    missing = {3, 6, 7, 8, 9, 12} & set(range(asked[0], asked[1] + 1))
    assert list(ranges.between(*asked)) == ranges_of(sorted(missing))


@pytest.mark.parametrize("order", [[(5, 7), (3, 4)], [(3, 4), (5, 7)], [(5, 7), (3, 5)]])
def test_adjacent_ranges_become_one(order: list[Range]) -> None:
    ranges = Ranges()
    for first, last in order:
        ranges.add(first, last)

    assert (ranges._firsts, ranges._lasts) == ([3], [7])


def test_nothing_found_is_no_id() -> None:
    progress = Progress()
    progress.found([], now=0)

    assert (progress.highest, progress.gaps()) == (0, [])


def test_the_mark_stops_at_a_gap_and_passes_it_when_it_is_filled() -> None:
    progress = Progress(10)
    progress.found([11, 12, 14, 17], now=0)
    progress.finish([(11, 12), (14, 14), (17, 17)])

    assert (progress.mark, progress.highest) == (12, 17)
    assert progress.gaps() == [(13, 13), (15, 16)]
    assert 14 in progress
    assert 13 not in progress
    progress.finish([(13, 13)])
    assert (progress.mark, progress.gaps()) == (14, [(15, 16)])
    progress.finish([(15, 16)])
    assert (progress.mark, progress.gaps()) == (17, [])


def test_rows_that_were_found_and_not_published_hold_the_mark() -> None:
    progress = Progress()
    progress.found([1, 2, 3], now=0)
    progress.finish([(2, 3)])

    assert progress.mark == 0
    assert progress.gaps() == [(1, 1)]


def test_a_gap_is_old_when_it_has_been_missing_long_enough() -> None:
    progress = Progress()
    progress.found([2], now=0)
    progress.found([4], now=1)
    progress.finish([(2, 2), (4, 4)])

    assert progress.old_gaps(SETTLE_AGE_SECONDS - 0.01) == []
    assert progress.old_gaps(SETTLE_AGE_SECONDS) == [(1, 1)]
    assert progress.old_gaps(SETTLE_AGE_SECONDS + 0.99) == [(1, 1)]
    assert progress.old_gaps(SETTLE_AGE_SECONDS + 1) == [(1, 1), (3, 3)]


def test_an_overlooked_row_changes_nothing_below_the_mark() -> None:
    progress = Progress(10)
    progress.finish([(3, 4), (8, 12)])

    assert (progress.mark, progress.gaps()) == (12, [])


def test_consecutive_ids_need_no_memory() -> None:
    progress = Progress()
    for start in range(2, 20_000, 1_000):
        progress.found(range(start, start + 1_000), now=0)
        progress.finish([(start, start + 999)])

    assert progress.gaps() == [(1, 1)]
    assert len(progress._done._firsts) == 1


@pytest.mark.parametrize("most", [1, 2, 3, 64])
def test_many_ranges_are_covered_by_few(most: int) -> None:
    ranges: list[Range] = [(number, number + 1) for number in range(0, 100, 4)]

    found = covering(ranges, most)

    assert len(found) <= most
    assert (found[0][0], found[-1][1]) == (0, 97)
    for first, last in ranges:
        assert any(low <= first and last <= high for low, high in found)
    assert covering([], most) == []
