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
    ("now", "before", "text", "css"),
    [
        (112, 100, "+12%", "sf-up"),
        (50, 100, "\u221250%", "sf-down"),
        (0, 9, "\u2212100%", "sf-down"),
        (7, 7, "no change", "sf-same"),
        (7, 0, "new", "sf-up"),
        (0, 0, "no change", "sf-same"),
        (50_000, 1, "+4,999,900%", "sf-up"),
    ],
)
def test_changes(now: int, before: int, text: str, css: str) -> None:
    cell = cells.change(now, before)
    assert (cell.text, cell.css) == (text, f"sf-number {css}")


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
