"""Column charts: stacked columns over time, with a line for the previous period."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from project.charts.scale import Tick, nice_values, ticks

HEIGHT = 200
"""The height of the drawing in pixels."""
STEP = 10
"""The width of a column and its gap. The drawing is stretched to the width of the page."""
_COLUMN = 8
_MARKS = 8


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour, one for each column."""

    name: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Layer:
    """The rectangles of one series as the data of an SVG path."""

    number: int
    """The number of the colour, from 1."""
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The area of one column, from the bottom to the top of the drawing, and its tooltip."""

    x: int
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on the horizontal axis."""

    text: str
    place: str
    """The centre of the column, in percent of the width."""
    minor: bool
    """Whether the label is left out on narrow screens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChart:
    """What `templates/charts/columns.html` draws."""

    summary: str
    """The accessible name, which describes what a sighted reader sees."""
    layers: tuple[Layer, ...]
    line: str
    """The points of the comparison line; empty without a comparison."""
    ticks: tuple[Tick, ...]
    slots: tuple[Slot, ...]
    marks: tuple[Mark, ...]
    width: int
    height: int = HEIGHT
    step: int = STEP


def column_chart(
    series: Sequence[Series],
    *,
    labels: Sequence[str],
    titles: Sequence[str],
    summary: str,
    before: Sequence[int] = (),
) -> ColumnChart:
    """Return a chart with a column for each of the `labels`, in which the `series` are stacked.

    `titles` are the tooltips of the columns. `before` contains, for each column, the total in the
    previous period. All sequences have the same length, and no value is negative.
    """
    stacks = [tuple(accumulate(column)) for column in zip(*(s.values for s in series), strict=True)]
    largest = max((*(stack[-1] for stack in stacks), *before), default=0)
    values = nice_values(largest)
    top = values[-1]
    return ColumnChart(
        summary=summary,
        layers=tuple(
            Layer(number + 1, each.name, _layer(stacks, number, top))
            for number, each in enumerate(series)
        ),
        line=" ".join(
            f"{place * STEP + STEP // 2},{HEIGHT - _height(value, top)}"
            for place, value in enumerate(before)
        ),
        ticks=ticks(values, HEIGHT),
        slots=tuple(Slot(place * STEP, title) for place, title in enumerate(titles)),
        marks=_marks(labels),
        width=max(len(labels), 1) * STEP,
    )


def _layer(stacks: Sequence[tuple[int, ...]], number: int, top: int) -> str:
    """Return one closed rectangle for each column in which the series is not zero."""
    shapes = []
    for place, stack in enumerate(stacks):
        lower = _height(stack[number - 1], top) if number else 0
        upper = _height(stack[number], top)
        if upper > lower:
            x = place * STEP + (STEP - _COLUMN) // 2
            shapes.append(f"M{x} {HEIGHT - lower}V{HEIGHT - upper}h{_COLUMN}V{HEIGHT - lower}z")
    return "".join(shapes)


def _height(value: int, top: int) -> int:
    """Return the height of a value. A value above zero is visible, however small it is."""
    return max(round(value * HEIGHT / top), 1) if value else 0


def _marks(labels: Sequence[str]) -> tuple[Mark, ...]:
    apart = max(-(-len(labels) // _MARKS), 1)
    return tuple(
        Mark(labels[place], f"{_percent(2 * place + 1, 2 * len(labels))}%", number % 2 == 1)
        for number, place in enumerate(range(0, len(labels), apart))
    )


def _percent(part: int, whole: int) -> str:
    """Return a share in percent with two decimals; the point is the same in every locale."""
    hundredths = round(part * 10_000 / whole)
    return f"{hundredths // 100}.{hundredths % 100:02}"
