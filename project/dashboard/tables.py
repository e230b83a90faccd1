"""The tables of the dashboard. Each table can also be downloaded as a CSV file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest
from typing import Any

from django.urls import reverse

from cdc.operations import Audience
from project.dashboard import cells
from project.dashboard.cells import Cell
from project.dashboard.charts import columns_of, totals_before
from project.dashboard.figures import figures, popular_share
from project.dashboard.lines import Line, text_of
from project.dashboard.periods import FIELD
from project.dashboard.report import COMMENTS, DIGGS, HIGHEST, MOST_LINES, NO_TOPIC, Report

Row = Sequence[Cell]

SHOWN = 10
"""The number of rows that the page shows. The CSV file has all of them."""
_OF_COLUMNS = ("sf-number", "sf-extra")
"""The classes that apply to every cell of a column, including its head."""
_PREVIOUS, _PREVIOUS_SHARE = "Previous", "Previous share"
_IN_FILES = {
    _PREVIOUS: "Previous period",
    _PREVIOUS_SHARE: "Previous share in percent",
    "Change": "Change in percent",
    "Share": "Share in percent",
    "Became popular": "Became popular, percent of reviewed stories",
    "Submitted": "Submitted (UTC)",
}
"""The longer heads of columns in CSV files, where the cells are plain numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. `name` is the name of its CSV file."""

    name: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    file_heads: tuple[str, ...] = ()
    """The heads in the CSV file; empty if they are the same."""
    note: str = ""
    most: int = MOST_LINES
    """The maximum number of rows. A table with this many rows may be incomplete."""

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows on the page."""
        return self.rows[:SHOWN]

    @property
    def notes(self) -> str:
        """What the page says below the table: how many rows there are, and the note."""
        count, is_cut = len(self.rows), len(self.rows) >= self.most
        if count <= SHOWN:
            return self.note
        number, in_file = ("", f"the first {count:,}") if is_cut else (f" of {count:,}", "all")
        return f"First {SHOWN}{number}; the CSV file has {in_file}. {self.note}".rstrip()

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The head and the classes of each column."""
        classes = [_head_class(cell) for cell in self.rows[0]] if self.rows else [""]
        return list(zip_longest(self.heads, classes[: len(self.heads)], fillvalue=""))


def _head_class(cell: Cell) -> str:
    return " ".join(name for name in cell.css.split() if name in _OF_COLUMNS)


def table(name: str, report: Report | None, audience: Audience) -> Table:
    """Return a table as an audience may see it, with at most 1,000 rows. `name` is in `TABLES`.

    Without a report, the table has no rows and no heads.
    """
    title, build = TABLES[name]
    return build(name, title, report, audience) if report else _empty(name, title)


def tables(report: Report, audience: Audience) -> dict[str, Table]:
    """Return all tables by name."""
    return {name: table(name, report, audience) for name in TABLES}


def _empty(name: str, title: str) -> Table:
    return Table(name=name, title=title, heads=(), rows=())


def _figures(name: str, title: str, report: Report, _: Audience) -> Table:
    units = {"Became popular": "percent of reviewed stories", "Time to popular": "minutes, median"}
    rows = tuple(
        (
            cells.text(each.name),
            Cell(text=each.shown, value=each.now_value, css="sf-number"),
            Cell(text=each.before, value=each.before_value, css="sf-number"),
            cells.text(units.get(each.name, "")),
        )
        for each in figures(report)
    )
    return Table(
        name=name, title=title, heads=("Figure", "Value", "Previous period", "Unit"), rows=rows
    )


def _days(name: str, title: str, report: Report, _: Audience) -> Table:
    charted = columns_of(report)
    before = totals_before(report)
    unit = report.span.unit.value.capitalize()
    rows = []
    for place, first in enumerate(report.span.columns):
        counts = [series.values[place] for series in charted]
        earlier = [cells.number(before[place])] if before else []
        row = [cells.day(first), cells.number(sum(counts)), *earlier, *map(cells.number, counts)]
        rows.append(tuple(row))
    heads = (unit, "Stories", *(("Previous period",) if before else ()))
    names = tuple(series.name for series in charted)
    return Table(name=name, title=title, heads=(*heads, *names), rows=tuple(rows))


def _compared(report: Report, line: Line) -> Iterator[Cell]:
    """Yield the cells of a line: the stories of both periods, and the change."""
    now = line.now["documents"]
    yield cells.number(now)
    if report.span.before:
        before = line.before.get("documents", 0)
        yield from (cells.secondary(cells.number(before)), cells.change(now, before))


def _compared_heads(report: Report) -> tuple[str, ...]:
    return ("Stories", _PREVIOUS, "Change") if report.span.before else ("Stories",)


def _in_files(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Return the heads in the CSV file."""
    return tuple(_IN_FILES.get(head, head) for head in heads)


def _topics(name: str, title: str, report: Report, _: Audience) -> Table:
    rows = tuple(
        (
            cells.text(line.label),
            *_compared(report, line),
            cells.secondary(cells.number(line.now[DIGGS])),
            popular_share(line.now),
        )
        for line in report.topics
    )
    heads = ("Topic", *_compared_heads(report), "Diggs", "Became popular")
    return Table(name=name, title=title, heads=heads, rows=rows, file_heads=_in_files(heads))


def _ranked(head: str, lines: Callable[[Report], Sequence[Line]]) -> "_Build":
    """Return a function that builds a table of labels with their stories and diggs."""

    def build(name: str, title: str, report: Report, _: Audience) -> Table:
        rows = tuple(
            (cells.text(line.label), *_compared(report, line), cells.number(line.now[DIGGS]))
            for line in lines(report)
        )
        heads = (head, *_compared_heads(report), "Diggs")
        return Table(name=name, title=title, heads=heads, rows=rows, file_heads=_in_files(heads))

    return build


def _submitters(name: str, title: str, report: Report, audience: Audience) -> Table:
    """Return the submitters, without names if the audience may not see people."""
    found = _ranked("Submitter", lambda report: report.submitters)(name, title, report, audience)
    if audience.sees_people:
        return found
    rows = tuple(
        (cells.text(f"Submitter {number}"), *row[1:]) for number, row in enumerate(found.rows, 1)
    )
    return replace(found, rows=rows, note="Names are not shown.")


def _shares(name: str, title: str, report: Report, _: Audience) -> Table:
    whole = sum(line.now["documents"] for line in report.media)
    before = sum(line.before.get("documents", 0) for line in report.media)
    rows = []
    for line in report.media:
        now = line.now["documents"]
        row = [cells.text(line.label), cells.number(now), cells.share(now, whole)]
        if report.span.before:
            row.append(cells.share(line.before.get("documents", 0), before))
        rows.append(tuple(row))
    heads = ("Media", "Stories", "Share", *((_PREVIOUS_SHARE,) if report.span.before else ()))
    return Table(name=name, title=title, heads=heads, rows=tuple(rows), file_heads=_in_files(heads))


def _stories(name: str, title: str, report: Report, _: Audience) -> Table:
    heads = ("Story", "Topic", "Submitted", "Diggs", "Comments")
    return Table(
        name=name,
        title=title,
        heads=heads,
        rows=tuple(_story(found) for found in report.stories),
        file_heads=_in_files(heads),
        note="Rejected stories are left out.",
        most=HIGHEST,
    )


def _story(found: Mapping[str, Any]) -> Row:
    key, topic, moment = found["_id"], found.get("topic"), found.get(FIELD)
    title = text_of(found.get("title")) or "No title"
    address = reverse("story", args=[key]) if type(key) is int and key >= 0 else ""
    topic_name = text_of(topic.get("name")) if isinstance(topic, dict) else ""
    submitted = cells.day(moment.date()) if isinstance(moment, datetime) else cells.text("")
    return (
        cells.text(title, address),
        cells.secondary(cells.text(topic_name or NO_TOPIC)),
        cells.secondary(submitted),
        cells.number(_whole(found.get(DIGGS))),
        cells.number(_whole(found.get(COMMENTS))),
    )


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


_Build = Callable[[str, str, Report, Audience], Table]
TABLES: dict[str, tuple[str, _Build]] = {
    "figures": ("Figures", _figures),
    "days": ("Stories by date and topic", _days),
    "topics": ("Topics", _topics),
    "sites": ("Sites", _ranked("Site", lambda report: report.sites)),
    "submitters": ("Submitters", _submitters),
    "stories": ("Stories with the most diggs", _stories),
    "media": ("Media", _shares),
}
