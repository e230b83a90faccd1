"""The numbers on a vertical axis are round, and the last is not below the largest value."""

import pytest

from project.charts.scale import nice_values, readable_largest, short_number, ticks


@pytest.mark.parametrize(
    ("largest", "values"),
    [
        (0, (0, 1)),
        (1, (0, 1)),
        (3, (0, 1, 2, 3)),
        (4, (0, 1, 2, 3, 4)),
        (5, (0, 2, 4, 6)),
        (23, (0, 10, 20, 30)),
        (99, (0, 50, 100)),
        (101, (0, 50, 100, 150)),
        (7_654_321, (0, 2_000_000, 4_000_000, 6_000_000, 8_000_000)),
    ],
)
def test_values_are_round(largest: int, values: tuple[int, ...]) -> None:
    assert nice_values(largest) == values


def test_every_axis_is_short_and_reaches_the_largest_value() -> None:
    for largest in range(5_000):
        values = nice_values(largest)
        assert 2 <= len(values) <= 5
        assert values[-1] >= largest > values[-2] or largest == 0


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        ([], 0),
        ([0, 0], 0),
        ([3, 400], 400),
        ([70, 72, 1_221], 1_221),
        ([1_221, 70, 72, 78], 78),
        ([5, 7, 0, 6, 8, 700], 8),
        ([5, 7, 6, 8, 5, 6, 7, 30], 30),
        ([5, 7, 6, 8, 5, 6, 7, 900, 1_000], 8),
        ([1, 1, 1, 90, 95, 99], 99),
    ],
)
def test_a_few_exceptional_values_do_not_decide_the_scale(
    values: list[float], largest: float
) -> None:
    assert readable_largest(values) == largest


def test_lines_are_at_the_height_of_their_number() -> None:
    assert [(tick.text, tick.y) for tick in ticks((0, 1_000, 2_000), 200)] == [
        ("0", 200),
        ("1,000", 100),
        ("2,000", 0),
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10k"), (12_500, "12.5k"), (2_000_000, "2M")],
)
def test_numbers_are_short(number: int, text: str) -> None:
    assert short_number(number) == text
