"""Sparklines: small line charts without axes.

The point of an exceptionally large value is drawn at the top, with a break below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from project.charts.scale import readable_largest

HEIGHT = 40
"""The height of the drawing in pixels."""
STEP = 10
_TOP = 2
"""The space above the highest point, so that the line there is not cut off."""
_BREAK_Y, _BREAK = 12, 4


@dataclass(frozen=True, slots=True)
class Slot:
    """The area around one point, and its tooltip."""

    x: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """The data that `templates/charts/sparkline.html` draws."""

    summary: str
    """The accessible name, which describes what a sighted reader sees."""
    points: str
    area: str
    """The area between the line and the bottom, as the data of an SVG path."""
    breaks: str
    """The breaks below the points that do not fit on the scale, as the data of an SVG path."""
    slots: tuple[Slot, ...]
    width: int
    quiet: bool
    """Whether no value is above 0."""
    height: int = HEIGHT
    step: int = STEP


def sparkline(values: Sequence[float], *, summary: str, titles: Sequence[str] = ()) -> Sparkline:
    """Return a line through `values`, from left to right.

    The largest value that is not exceptional is at the top. Negative values are drawn as 0.
    `titles` are the tooltips of the points.
    """
    largest = readable_largest(values)
    shares = [min(max(value, 0) / (largest or 1), 1) for value in values]
    heights = [round(share * (HEIGHT - _TOP)) for share in shares]
    places = [(place * STEP + STEP // 2, HEIGHT - each) for place, each in enumerate(heights)]
    points = " ".join(f"{x},{y}" for x, y in places)
    return Sparkline(
        summary=summary,
        points=points,
        area=f"M{places[0][0]} {HEIGHT}L{points}V{HEIGHT}z" if places else "",
        breaks="".join(
            _break(x) for (x, _), value in zip(places, values, strict=True) if value > largest
        ),
        slots=tuple(Slot(place * STEP, title) for place, title in enumerate(titles)),
        width=max(len(places), 1) * STEP,
        quiet=not largest,
    )


def _break(x: int) -> str:
    """Return a slanted band across the line near its top. A spike is two steps wide."""
    return f"M{x - STEP} {_BREAK_Y}l{2 * STEP} -{_BREAK}v{_BREAK}l-{2 * STEP} {_BREAK}z"
