"""The figures at the top of the dashboard, each compared with the figure of the previous period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cdc.reports import Group
from project.dashboard import cells
from project.dashboard.lines import added
from project.dashboard.report import COMMENTS, DIGGS, POPULAR, WAITING, Report
from stories.models import Status

_FASTER, _SLOWER, _NO_CHANGE = " faster", " slower", "no change"
_NOTICEABLE_POINTS, _NOTICEABLE_SHARE = 1.0, 0.1
"""Smaller changes have no colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure, as text for the page and as values for the CSV file."""

    name: str
    shown: str
    change: str
    css: str
    before: str
    note: str = ""
    """What the page adds to the name."""
    now_value: float | int | str
    before_value: float | int | str

    @property
    def icon(self) -> str:
        """The arrow of a change; empty without a change."""
        if self.change.startswith("+") or self.change.endswith(_SLOWER):
            return "arrow-up"
        less = self.change.startswith(cells.MINUS) or self.change.endswith(_FASTER)
        return "arrow-down" if less else ""


def figures(report: Report) -> list[Figure]:
    """Return the figures in the order of the page."""
    now = _sums(report.days.now)
    before = _sums(report.days.before) if report.span.before else None
    return [
        _count("Stories", "documents", now, before),
        _count("Diggs", DIGGS, now, before),
        _count("Comments", COMMENTS, now, before),
        _popular(now, before),
        _wait(median_minutes(report.minutes.now), before, report.minutes.before),
        _count("Rejected", Status.REJECTED.value, now, before),
    ]


def popular_share(counts: Mapping[str, int]) -> cells.Cell:
    """Return the share of popular stories among the reviewed ones.

    Recent periods have more stories that still wait for a review. If these stories counted, the
    share of a recent period would always be lower than that of an earlier one.
    """
    reviewed = counts["documents"] - counts.get(WAITING, 0)
    return cells.share(counts.get(POPULAR, 0), reviewed)


def median_minutes(groups: Sequence[Group]) -> int | None:
    """Return the median of the minutes from submission to promotion, or None.

    Stories that were promoted before their date of submission are left out.
    """
    counts = {int(group.keys[0]): group.counts["documents"] for group in groups if _valid(group)}
    minutes = sorted(counts)
    reached = accumulate(counts[each] for each in minutes)
    half = sum(counts.values()) / 2
    return next((each for each, count in zip(minutes, reached, strict=True) if count >= half), None)


def _valid(group: Group) -> bool:
    minutes = group.keys[0]
    return isinstance(minutes, int | float) and minutes >= 0


def _sums(groups: Sequence[Group]) -> dict[str, int]:
    return {"documents": 0, **added(group.counts for group in groups)}


def _count(name: str, key: str, now: Mapping[str, int], before: Mapping[str, int] | None) -> Figure:
    ours, theirs = now.get(key, 0), before.get(key, 0) if before is not None else None
    change = "" if theirs is None else cells.change(ours, theirs).text
    return Figure(
        name=name,
        shown=f"{ours:,}",
        change=_NO_CHANGE if ours == theirs else change,
        css=cells.SAME,
        before="" if theirs is None else f"{theirs:,}",
        now_value=ours,
        before_value="" if theirs is None else theirs,
    )


def _popular(now: Mapping[str, int], before: Mapping[str, int] | None) -> Figure:
    ours = popular_share(now)
    theirs = popular_share(before) if before else None
    change, css = "", ""
    if theirs and isinstance(ours.value, float) and isinstance(theirs.value, float):
        points = round(ours.value - theirs.value, 1)
        change = _signed(points, "points")
        css = cells.direction(points if abs(points) >= _NOTICEABLE_POINTS else 0)
    return Figure(
        name="Became popular",
        shown=ours.text,
        change=change,
        css=css,
        before=theirs.text if theirs else "",
        note="of reviewed stories",
        now_value=ours.value,
        before_value=theirs.value if theirs else "",
    )


def _wait(
    now: int | None, before_counts: Mapping[str, int] | None, groups: Sequence[Group]
) -> Figure:
    before = median_minutes(groups) if before_counts is not None else None
    change, css = "", ""
    if now is not None and before is not None:
        word = _FASTER if now < before else _SLOWER
        change = f"{cells.duration(abs(now - before))}{word}" if now != before else _NO_CHANGE
        is_noticeable = abs(before - now) >= _NOTICEABLE_SHARE * before
        css = cells.direction(before - now if is_noticeable else 0)
    return Figure(
        name="Time to popular",
        shown=cells.duration(now),
        change=change,
        css=css,
        before=cells.duration(before) if before_counts is not None else "",
        note="median",
        now_value="" if now is None else now,
        before_value="" if before is None else before,
    )


def _signed(difference: float, unit: str) -> str:
    return f"{difference:+.1f} {unit}".replace("-", cells.MINUS) if difference else _NO_CHANGE
