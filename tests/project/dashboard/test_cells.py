"""Cells: numbers for people on the page, numbers for programs in the file."""

from datetime import date

import pytest

from project.dashboard import cells


def test_numbers_have_separators_only_on_the_page() -> None:
    assert (cells.number(1234567).text, cells.number(1234567).value) == ("1,234,567", 1234567)


def test_days() -> None:
    cell = cells.day(date(2010, 3, 1))
    assert (cell.text, cell.value) == ("1 Mar 2010", "2010-03-01")


@pytest.mark.parametrize(
    ("part", "whole", "text", "value"),
    [(1, 3, "33.3%", 33.3), (0, 5, "0.0%", 0.0), (5, 5, "100.0%", 100.0), (0, 0, "\u2013", "")],
)
def test_shares(part: int, whole: int, text: str, value: float | str) -> None:
    assert (cells.share(part, whole).text, cells.share(part, whole).value) == (text, value)


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (112, 100, "+12%"),
        (50, 100, "\u221250%"),
        (0, 9, "\u2212100%"),
        (7, 7, "0%"),
        (1001, 1000, "0%"),
        (7, 0, "new"),
        (0, 0, "0%"),
        (50_000, 1, "+4,999,900%"),
    ],
)
def test_changes_of_counts_have_a_sign_and_no_colour(now: int, before: int, text: str) -> None:
    cell = cells.change(now, before)
    assert (cell.text, cell.css) == (text, "sf-number")


@pytest.mark.parametrize(("gain", "css"), [(0.1, "sf-up"), (-5, "sf-down"), (0, "sf-same")])
def test_only_a_gain_is_good(gain: float, css: str) -> None:
    assert cells.direction(gain) == css


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (None, "\u2013"),
        (0, "0 min"),
        (59, "59 min"),
        (60, "1 h"),
        (200, "3 h 20 min"),
        (1440, "1 d"),
        (3000, "2 d 2 h"),
    ],
)
def test_durations(minutes: int | None, text: str) -> None:
    assert cells.duration(minutes) == text
