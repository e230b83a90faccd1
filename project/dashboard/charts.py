"""The chart of the dashboard: stories by day, week, month or year, and by topic."""

from datetime import UTC, date, datetime

from cdc.reports import Group, Unit
from project.charts.columns import ColumnChart, Series, column_chart
from project.dashboard.periods import Span, next_column
from project.dashboard.report import CHARTED_TOPICS, Report

_OTHER = "Other topics"
_OTHER_COLOUR = CHARTED_TOPICS + 1
_UNFINISHED = {
    Unit.DAY: "Today",
    Unit.WEEK: "This week",
    Unit.MONTH: "This month",
    Unit.YEAR: "This year",
}


def columns_of(report: Report) -> list[Series]:
    """Return the number of stories of each charted topic in each column.

    The topics, their order and their colours are the same in every period. All other topics
    together are last.
    """
    span = report.span
    charted = {name: [0] * len(span.columns) for name in report.charted}
    other = [0] * len(span.columns)
    for group in report.days.now:
        place = _place(span, group)
        if place is not None:
            charted.get(group.keys[1], other)[place] += group.counts["documents"]
    found = [Series(name, values) for name, values in charted.items()]
    return [*found, Series(_OTHER, other, _OTHER_COLOUR)] if any(other) or not found else found


def totals_before(report: Report) -> list[int]:
    """Return the stories of the previous period in each column; empty without such a period."""
    if report.span.before is None:
        return []
    totals = [0] * len(report.span.columns)
    for group in report.days.before:
        place = _place(report.span, group, before=True)
        if place is not None:
            totals[place] += group.counts["documents"]
    return totals


def chart_of(report: Report, today: date | None = None) -> ColumnChart:
    """Return the chart, with the previous period as a line. `today` is the current day in UTC."""
    unfinished = _unfinished(report.span, today or datetime.now(UTC).date())
    series, before = columns_of(report), totals_before(report)
    columns, unit = report.span.columns, report.span.unit
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    return column_chart(
        series,
        labels=[label_of(day, unit) for day in columns],
        titles=[
            _title(place, report, series, totals, before, unfinished)
            for place in range(len(columns))
        ],
        summary=_summary(report, totals, before, unfinished),
        before=before,
        unfinished=unfinished,
    )


def _unfinished(span: Span, today: date) -> str:
    """Return the name of the last column if it contains `today`, else an empty string."""
    if not span.columns or next_column(span.columns[-1], span.unit) <= today:
        return ""
    return _UNFINISHED[span.unit] if span.columns[-1] <= today else ""


def label_of(day: date, unit: Unit) -> str:
    """Return the short name of a column that begins on `day`."""
    if unit is Unit.YEAR:
        return str(day.year)
    return f"{day:%b} {day.year}" if unit is Unit.MONTH else f"{day.day} {day:%b}"


def name_of(day: date, unit: Unit) -> str:
    """Return the full name of a column that begins on `day`."""
    if unit in {Unit.YEAR, Unit.MONTH}:
        return label_of(day, unit)
    return f"{'Week of ' if unit is Unit.WEEK else ''}{day.day} {day:%b} {day.year}"


def _title(
    place: int,
    report: Report,
    series: list[Series],
    totals: list[int],
    before: list[int],
    unfinished: str,
) -> str:
    parts = [f"{each.name} {each.values[place]:,}" for each in series if each.values[place]]
    is_last = place == len(totals) - 1
    so_far = " so far" if unfinished and is_last else ""
    name = name_of(report.span.columns[place], report.span.unit)
    lines = [
        f"{name}: {_stories(totals[place])}{so_far}",
        *([f"Previous period: {before[place]:,}"] if before else []),
        *parts,
    ]
    return "\n".join(lines)


def _summary(report: Report, totals: list[int], before: list[int], unfinished: str) -> str:
    columns, unit = report.span.columns, report.span.unit
    highest = max(range(len(totals)), key=lambda place: totals[place])
    compared = f" Previous period: {_stories(sum(before))}." if before else ""
    so_far = f" {unfinished} is incomplete." if unfinished else ""
    return (
        f"{_stories(sum(totals))} from {name_of(report.span.first, Unit.DAY)} to "
        f"{name_of(report.span.last, Unit.DAY)}, by {unit.value}. Maximum: {totals[highest]:,}, "
        f"{name_of(columns[highest], unit)}.{compared}{so_far}"
    )


def _stories(count: int) -> str:
    return f"{count:,} {'story' if count == 1 else 'stories'}"


def _place(span: Span, group: Group, *, before: bool = False) -> int | None:
    moment = group.keys[0]
    if not isinstance(moment, datetime):
        return None
    return span.place_before(moment.date()) if before else span.place(moment.date())
