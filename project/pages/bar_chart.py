"""Bar charts as SVG rectangles.

The coordinates are integers, because templates format decimals according to the locale.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle."""

    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """The rectangles and the size of the drawing."""

    bars: tuple[Bar, ...]
    bar_width: int
    width: int
    height: int


def bar_chart(values: Sequence[float], *, height: int, step: int, gap: int) -> BarChart:
    """Return a chart with one bar for each value, `step` units apart.

    The bar of the largest value has the full `height`.
    """
    largest = max(values, default=0) or 1
    heights = [round(value * height / largest) for value in values]
    return BarChart(
        bars=tuple(Bar(number * step, height - each, each) for number, each in enumerate(heights)),
        bar_width=step - gap,
        width=max(len(heights), 1) * step,
        height=height,
    )
