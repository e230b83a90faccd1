"""Finds the curves in a file of results."""

import re
from collections.abc import Sequence

from tests.bench.charts.drawing import Curve
from tests.bench.results import Measured


def curves(measured: Sequence[Measured]) -> list[Curve]:
    """Return a curve for each table with more than one row whose label is a number."""
    sections: dict[str, dict[int, Measured]] = {}
    for each in measured:
        title, _, row = each["what"].partition(": ")
        if re.fullmatch(r"[\d,]+", row):
            sections.setdefault(title, {})[int(row.replace(",", ""))] = each
    return [_curve(title, rows) for title, rows in sections.items() if len(rows) > 1]


def file_name(title: str) -> str:
    """Return the file name of a curve's chart."""
    return f"performance-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.svg"


def _curve(title: str, rows: dict[int, Measured]) -> Curve:
    steps = tuple(sorted(rows))
    lines: dict[str, dict[int, list[float]]] = {}
    for step in steps:
        for name, values in rows[step]["values"].items():
            lines.setdefault(name, {})[step] = values
    return Curve(title=title, steps=steps, lines=lines)
