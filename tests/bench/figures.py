"""Medians, percentiles, and the table that compares systems."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PERCENTILES = (50, 95, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: one of the values, without interpolation."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Figure:
    """The values of one system in all rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        """Return the median and, for several rounds, the lowest and highest value."""
        if len(self.values) == 1:
            return _short(self.median)
        lowest, highest = _short(min(self.values)), _short(max(self.values))
        return f"{_short(self.median)} ({lowest}-{highest})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the table: one measurement and its values for each system."""

    what: str
    better: str
    """Which values are better: `lower` or `higher`; empty if neither is better."""
    figures: Mapping[str, Figure]

    def ratio(self, ours: str, peer: str) -> str:
        """Return our median divided by the peer's, or "" if a median is missing or zero."""
        medians = [self.figures[name].median for name in (ours, peer) if name in self.figures]
        if not self.better or len(medians) != 2 or not all(medians):
            return ""
        return f"{medians[0] / medians[1]:.2f}"


def table(title: str, lines: Sequence[Line], ratios: Sequence[tuple[str, str]]) -> str:
    """Return a Markdown table with a row for each line, and a column for each system and ratio.

    A ratio is a pair of systems. Systems without values, and ratios of them, are left out.
    """
    systems = list(dict.fromkeys(name for line in lines for name in line.figures))
    ratios = [pair for pair in ratios if set(pair) <= set(systems)]
    head = [title, "better", *systems, *(f"{ours} / {peer}" for ours, peer in ratios)]
    rows = [head, ["---"] * len(head)]
    for line in lines:
        found = [str(line.figures[name]) if name in line.figures else "" for name in systems]
        compared = [line.ratio(ours, peer) for ours, peer in ratios]
        rows.append([line.what, line.better, *found, *compared])
    return _aligned(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The ratios of two systems in the rounds that have values of both."""

    rounds: int
    lowest: float
    median: float
    highest: float


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio | None:
    """Return the ratios of our values to theirs in each round; None if no round has a ratio.

    The machine may be slower in one round than in another. This affects both values of a round, so
    their ratio varies less than the values do.
    """
    found = [one / other for one, other in zip(ours, theirs, strict=False) if other]
    if not found:
        return None
    return Ratio(
        rounds=len(found), lowest=min(found), median=statistics.median(found), highest=max(found)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The values of two systems in each round; `better` is as in Line."""

    better: str
    ours: Sequence[float]
    theirs: Sequence[float]


def ratio_table(pairs: Mapping[str, Pair]) -> str:
    """Return a Markdown table with the ratios of each measurement that has ratios."""
    head = ["ratio", "better", "rounds", "min", "median", "max"]
    rows = [head, ["---"] * len(head)]
    for what, pair in pairs.items():
        found = ratio(pair.ours, pair.theirs)
        if found is not None:
            numbers = (found.lowest, found.median, found.highest)
            rows.append(
                [what, pair.better, str(found.rounds), *(f"{each:.2f}" for each in numbers)]
            )
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(_row(row, widths) for row in rows)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    fill = "-" if cells[1] == "---" else " "
    padded = (cell.ljust(width, fill) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _short(value: float) -> str:
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
