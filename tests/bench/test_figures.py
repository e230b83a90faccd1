"""Percentiles, medians, ratios and the table."""

import pytest

from tests.bench.figures import Figure, Line, Pair, percentile, ratio, ratio_table, table

HUNDRED = [float(number) for number in range(1, 101)]


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_percentile_of_a_hundred_values(percent: int) -> None:
    assert percentile(HUNDRED[::-1], percent) == percent


def test_percentile_of_a_few_values_is_one_of_them() -> None:
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0
    assert percentile([7.0], 50) == 7.0


def test_figure_shows_median_and_range() -> None:
    assert str(Figure((12.0, 1.25, 1234.5))) == "12 (1.25-1,234)"
    assert str(Figure((0.0,))) == "0"


def line(**figures: float) -> Line:
    found = {name: Figure((value,)) for name, value in figures.items()}
    return Line(what="time", better="lower", figures=found)


def test_ratio_is_ours_divided_by_the_peers() -> None:
    assert line(ours=3, peer=2).ratio("ours", "peer") == "1.50"


@pytest.mark.parametrize("figures", [{"ours": 3.0}, {"peer": 3.0}, {"ours": 3.0, "peer": 0.0}])
def test_no_ratio_without_two_nonzero_values(figures: dict[str, float]) -> None:
    assert line(**figures).ratio("ours", "peer") == ""


def test_no_ratio_if_neither_is_better() -> None:
    rate = Line(what="rate", better="", figures=line(ours=3, peer=2).figures)
    assert rate.ratio("ours", "peer") == ""


def test_table_has_a_row_per_line_and_a_column_per_pair() -> None:
    made = table("delay", [line(ours=3, peer=2), line(peer=4)], [("ours", "peer"), ("a", "b")])
    assert made.splitlines() == [
        "| delay | better | ours | peer | ours / peer |",
        "| ----- | ------ | ---- | ---- | ----------- |",
        "| time  | lower  | 3    | 2    | 1.50        |",
        "| time  | lower  |      | 4    |             |",
    ]


def test_ratios_are_computed_round_by_round() -> None:
    # In the second round, both systems were slow. The ratio of the medians would not show this.
    found = ratio([2.0, 9.0, 3.0], [4.0, 18.0, 4.0])
    assert found is not None
    assert (found.rounds, found.lowest, found.median, found.highest) == (3, 0.5, 0.5, 0.75)


def test_rounds_without_both_values_have_no_ratio() -> None:
    found = ratio([2.0, 9.0, 3.0], [0.0, 18.0])
    assert found is not None
    assert (found.rounds, found.median) == (1, 0.5)
    assert ratio([1.0], []) is None
    assert ratio([1.0], [0.0]) is None


def test_ratio_table_leaves_out_measurements_without_a_ratio() -> None:
    made = ratio_table(
        {
            "p50": Pair(better="lower", ours=[1.0, 3.0], theirs=[2.0, 2.0]),
            "memory": Pair(better="lower", ours=[1.0], theirs=[]),
        }
    )
    assert made.splitlines() == [
        "| ratio | better | rounds | min  | median | max  |",
        "| ----- | ------ | ------ | ---- | ------ | ---- |",
        "| p50   | lower  | 2      | 0.50 | 1.00   | 1.50 |",
    ]
