"""The samples of a figure over the life of a process, and whether the figure grows."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

LIMITS = {"memory in MB": 10.0, "descriptors": 2.0, "TCP connections": 2.0, "threads": 2.0}
"""The most that a figure may grow in an hour."""
MEMORY, DESCRIPTORS, CONNECTIONS, THREADS = LIMITS
_WARM_SHARE, _JUDGED_SHARE = 1 / 6, 1 / 2
"""Shares of a run: the start of each series, which is left out, and the shortest rest that is
judged."""
_ENDS = 6
"""The first and the last value of a series are each the median of this number of samples."""

Point = tuple[float, float]
"""A time in seconds, and the value at this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a figure developed after the start of a process."""

    name: str
    figure: str
    minutes: float
    """The time between the first and the last sample that were used."""
    first: float
    last: float
    per_hour: float
    judged: bool
    """False if the process did not live long enough."""

    @property
    def grows(self) -> bool:
        return self.judged and self.per_hour > LIMITS[self.figure]

    def __str__(self) -> str:
        verdict = f"the limit is {LIMITS[self.figure]:g}" if self.judged else "too short to judge"
        return (
            f"{self.name}, {self.minutes:.0f} min: {self.figure} {self.first:.1f} -> "
            f"{self.last:.1f}, {self.per_hour:+.1f} per hour; "
            f"{f'GROWS, {verdict}' if self.grows else verdict}"
        )


@dataclass(slots=True)
class Samples:
    """All samples of a run. A process that was restarted begins a new series."""

    series: dict[tuple[str, int, str], list[Point]] = field(default_factory=dict)

    def add(self, at: float, name: str, pid: int, figure: str, value: float) -> None:
        self.series.setdefault((name, pid, figure), []).append((at, value))

    def as_lists(self) -> list[dict[str, Any]]:
        """Return all series for a JSON file."""
        return [
            {"name": name, "pid": pid, "figure": figure, "points": points}
            for (name, pid, figure), points in sorted(self.series.items())
        ]

    def trends(self, seconds: float) -> list[Trend]:
        """Return the trend of each series that is longer than its warm-up in a run of `seconds`."""
        found = [
            trend(f"{name} ({pid})" if pid else name, figure, points, seconds)
            for (name, pid, figure), points in sorted(self.series.items())
        ]
        return [each for each in found if each is not None]


def trend(name: str, figure: str, points: Sequence[Point], seconds: float) -> Trend | None:
    """Return the trend without the warm-up, or None if fewer than two samples are left."""
    begin = points[0][0] + seconds * _WARM_SHARE
    rest = [point for point in points if point[0] >= begin]
    if len(rest) < 2:
        return None
    took = rest[-1][0] - rest[0][0]
    values = [value for _, value in rest]
    return Trend(
        name=name,
        figure=figure,
        minutes=took / 60,
        first=statistics.median(values[:_ENDS]),
        last=statistics.median(values[-_ENDS:]),
        per_hour=slope(rest) * 3600,
        judged=took >= seconds * _JUDGED_SHARE,
    )


def slope(points: Sequence[Point]) -> float:
    """Return the median slope of all pairs of points (Theil-Sen).

    A few outliers, such as those during an outage, hardly change it.
    """
    return statistics.median(
        (later - earlier) / (end - begin)
        for (begin, earlier), (end, later) in combinations(points, 2)
    )


def not_judged(trends: Sequence[Trend], names: Sequence[str]) -> list[str]:
    """Return those of `names`, such as `relay`, without a series that was long enough.

    The name of a series begins with one of these names.
    """
    judged = [each.name for each in trends if each.judged]
    return [name for name in names if not any(each.startswith(name) for each in judged)]
