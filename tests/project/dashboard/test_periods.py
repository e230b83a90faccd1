"""The periods of the dashboard end with the newest story, and unknown values are refused."""

from datetime import UTC, date, datetime, timedelta

import pytest

from cdc.reports import Unit
from project.dashboard.periods import (
    CHOICES,
    MOST_COLUMNS,
    Span,
    choose,
    days_text,
    end_at,
    end_of,
    span_of,
)

NEWEST = datetime(2010, 3, 31, 23, 59, 59, tzinfo=UTC)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def span(name: str, oldest: datetime, newest: datetime = NEWEST) -> Span:
    return span_of(CHOICES[name], oldest, newest)


@pytest.mark.parametrize("name", CHOICES)
def test_each_period_is_chosen_by_its_name(name: str) -> None:
    assert choose(name) == (CHOICES[name], "")


@pytest.mark.parametrize("name", [None, ""])
def test_without_a_choice_the_period_has_30_days(name: str | None) -> None:
    assert choose(name) == (CHOICES["30"], "")


@pytest.mark.parametrize("name", ["13", "07", "-7", " 7", "ALL", "\u0667", "7.0", "x" * 300, "<b>"])
def test_an_unknown_period_is_named_in_a_sentence(name: str) -> None:
    choice, problem = choose(name)
    assert choice == CHOICES["30"]
    assert name[:20] in problem
    assert "Choose 7, 30, 90 or all" in problem
    assert len(problem) < 120


def test_a_period_can_end_earlier() -> None:
    choice, problem = end_at(CHOICES["7"], "2010-03-31")
    assert (choice.last, choice.query, problem) == (
        date(2010, 3, 31),
        "days=7&until=2010-03-31",
        "",
    )
    assert end_of(choice, NOW) == datetime(2010, 3, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_an_unfinished_day_is_compared_with_the_same_hours() -> None:
    newest, oldest = NOW - timedelta(hours=1), NOW - timedelta(days=60)
    found = span_of(CHOICES["7"], oldest, newest, NOW)
    assert found.so_far == NOW
    assert found.period_before is not None
    assert found.period_before.until == NOW - timedelta(days=7)
    assert found.period_before.since == datetime(2026, 11, 15, tzinfo=UTC)


def test_a_day_that_has_ended_is_compared_with_a_whole_day() -> None:
    found = span_of(CHOICES["7"], NOW - timedelta(days=60), NOW - timedelta(days=1), NOW)
    assert found.so_far is None
    assert found.period_before is not None
    assert found.period_before.until == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2010-02-30", "31.3.2010", "0000-01-01", "1" * 200])
def test_a_wrong_date_is_named_in_a_sentence(text: str) -> None:
    choice, problem = end_at(CHOICES["7"], text)
    assert choice == CHOICES["7"]
    assert text[:20] in problem
    assert "is not a date" in problem


@pytest.mark.parametrize("text", ["9999-12-31", "2026-11-28"])
def test_no_period_ends_in_the_future(text: str) -> None:
    assert end_of(end_at(CHOICES["7"], text)[0], NOW) == NOW
    assert end_of(CHOICES["7"], NOW) == NOW


def test_a_period_ends_on_the_day_of_the_newest_story() -> None:
    found = span("7", NEWEST - timedelta(days=300))
    assert (found.first, found.last) == (date(2010, 3, 25), date(2010, 3, 31))
    assert (found.before, found.before_last) == (date(2010, 3, 18), date(2010, 3, 24))
    assert (found.unit, len(found.columns), found.before_is_complete) == (Unit.DAY, 7, True)
    assert found.period.since == datetime(2010, 3, 25, tzinfo=UTC)
    assert found.period.until == datetime(2010, 4, 1, tzinfo=UTC)
    assert found.period_before is not None
    assert found.period_before.since == datetime(2010, 3, 18, tzinfo=UTC)
    assert found.period_before.until == found.period.since


def test_a_column_is_compared_with_the_one_a_period_before() -> None:
    found = span("7", NEWEST - timedelta(days=300))
    assert [found.place(date(2010, 3, day)) for day in (24, 25, 31)] == [None, 0, 6]
    assert [found.place_before(date(2010, 3, day)) for day in (17, 18, 24, 25)] == [
        None,
        0,
        6,
        None,
    ]


@pytest.mark.parametrize(
    ("days", "before", "complete"),
    [
        (3, None, False),
        (6, None, False),
        (7, date(2010, 3, 18), False),
        (13, date(2010, 3, 18), True),
    ],
)
def test_a_young_data_set_has_no_complete_period_before(
    days: int, before: date | None, complete: bool
) -> None:
    found = span("7", NEWEST - timedelta(days=days))
    assert (found.before, found.before_is_complete) == (before, complete)
    assert (found.period_before is None) == (before is None)


@pytest.mark.parametrize(
    ("days", "unit"),
    [(0, Unit.DAY), (91, Unit.DAY), (92, Unit.WEEK), (600, Unit.WEEK), (800, Unit.MONTH)],
)
def test_all_stories_are_shown_in_columns_that_fit(days: int, unit: Unit) -> None:
    found = span("all", NEWEST - timedelta(days=days))
    assert (found.unit, found.before, found.period.since) == (unit, None, None)
    assert found.columns[0] <= found.first <= found.last
    assert 1 <= len(found.columns) <= MOST_COLUMNS


def test_weeks_begin_on_monday_months_and_years_on_their_first_day() -> None:
    weeks = span("all", NEWEST - timedelta(days=100))
    assert {day.weekday() for day in weeks.columns} == {0}
    assert all(
        b - a == timedelta(days=7) for a, b in zip(weeks.columns, weeks.columns[1:], strict=False)
    )
    months = span("all", NEWEST - timedelta(days=1000))
    assert {day.day for day in months.columns} == {1}
    assert len(set(months.columns)) == len(months.columns) == 33
    years = span("all", datetime(1996, 2, 29, tzinfo=UTC))
    assert [day.isoformat() for day in years.columns] == [f"{y}-01-01" for y in range(1996, 2011)]


@pytest.mark.parametrize("name", CHOICES)
def test_dates_of_a_thousand_years_ago_are_no_error(name: str) -> None:
    old = datetime(1000, 1, 1, tzinfo=UTC)
    assert len(span(name, old).columns) <= MOST_COLUMNS
    assert span(name, old, old + timedelta(hours=3)).columns


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 10, 1), date(2026, 10, 30), "1 \u2013 30 Oct 2026"),
        (date(2026, 10, 31), date(2026, 11, 29), "31 Oct \u2013 29 Nov 2026"),
        (date(2025, 12, 31), date(2026, 1, 29), "31 Dec 2025 \u2013 29 Jan 2026"),
        (date(2025, 10, 3), date(2026, 10, 4), "3 Oct 2025 \u2013 4 Oct 2026"),
        (date(2026, 10, 3), date(2026, 10, 3), "3 Oct 2026"),
    ],
)
def test_what_two_days_have_in_common_is_written_once(first: date, last: date, text: str) -> None:
    assert days_text(first, last) == text
