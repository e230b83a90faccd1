"""Line charts as SVG files that need no other file. Their colours adapt to the reader's theme."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from project.charts.scale import Tick, nice_values, ticks

WIDTH, HEIGHT = 720, 360
_LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 70, 50, 480, 240
_LEGEND_LINE = 22
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1d2830 }
  .title { font-weight: 650; font-size: 15px }
  .grid { stroke: #d5dde2 }
  .line { fill: none; stroke-width: 2 }
  .range { stroke-width: 1.5 }
  .c1 { stroke: #0f766e } .c2 { stroke: #b45309 } .c3 { stroke: #1d4ed8 }
  .c4 { stroke: #be123c } .c5 { stroke: #6d28d9 }
  .d1 { fill: #0f766e } .d2 { fill: #b45309 } .d3 { fill: #1d4ed8 }
  .d4 { fill: #be123c } .d5 { fill: #6d28d9 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e3eaee }
    .grid { stroke: #3a4852 }
    .c1 { stroke: #2dd4bf } .c2 { stroke: #fbbf24 } .c3 { stroke: #93c5fd }
    .c4 { stroke: #fda4af } .c5 { stroke: #c4b5fd }
    .d1 { fill: #2dd4bf } .d2 { fill: #fbbf24 } .d3 { fill: #93c5fd }
    .d4 { fill: #fda4af } .d5 { fill: #c4b5fd }
  }
"""
_COLOURS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A measurement at several steps, such as numbers of consumers."""

    title: str
    steps: tuple[int, ...]
    """The steps in ascending order; the chart has them at equal distances."""
    lines: Mapping[str, Mapping[int, Sequence[float]]]
    """The values of each round, by the name of the line and by step."""

    @property
    def summary(self) -> str:
        """The title and the medians, for anyone who cannot see the chart."""
        parts = (f"{name} {_medians(points)}" for name, points in self.lines.items())
        return f"{self.title}: {'; '.join(parts)}"


def svg(curve: Curve) -> str:
    """Return the chart: the medians as lines, and the range of the rounds as vertical lines."""
    largest = max(max(values) for points in curve.lines.values() for values in points.values())
    scale = nice_values(math.ceil(largest))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"',
        f'  aria-label="{escape(curve.summary)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="24">{escape(curve.title)}</text>',
        *(_grid(tick) for tick in ticks(scale, _PLOT_HEIGHT)),
        *(_step(curve.steps, step) for step in curve.steps),
    ]
    for number, (name, points) in enumerate(curve.lines.items()):
        parts += _line(curve.steps, points, scale[-1], number)
        parts += _legend(name, number)
    return "\n".join([*parts, "</svg>", ""])


def _grid(tick: Tick) -> str:
    y = _TOP + tick.y
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDTH}" y1="{y}" y2="{y}"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick.text}</text>'
    )


def _step(steps: Sequence[int], step: int) -> str:
    y = _TOP + _PLOT_HEIGHT + 22
    return f'<text x="{_x(steps, step)}" y="{y}" text-anchor="middle">{step:,}</text>'


def _line(
    steps: Sequence[int], points: Mapping[int, Sequence[float]], top: int, number: int
) -> list[str]:
    colour = number % _COLOURS + 1
    places = [(_x(steps, step), points[step]) for step in steps if step in points]
    path = " ".join(f"{x},{_y(statistics.median(values), top)}" for x, values in places)
    ranges = [
        f'<line class="range c{colour}" x1="{x}" x2="{x}" y1="{_y(min(values), top)}" '
        f'y2="{_y(max(values), top)}"/>'
        for x, values in places
        if len(values) > 1
    ]
    dots = [
        f'<circle class="d{colour}" cx="{x}" cy="{_y(statistics.median(values), top)}" r="3.5"/>'
        for x, values in places
    ]
    return [f'<polyline class="line c{colour}" points="{path}"/>', *ranges, *dots]


def _legend(name: str, number: int) -> list[str]:
    x, y = _LEFT + _PLOT_WIDTH + 24, _TOP + 10 + number * _LEGEND_LINE
    colour = number % _COLOURS + 1
    return [
        f'<line class="line c{colour}" x1="{x}" x2="{x + 18}" y1="{y}" y2="{y}"/>',
        f'<text x="{x + 26}" y="{y + 4}">{escape(name)}</text>',
    ]


def _x(steps: Sequence[int], step: int) -> int:
    apart = _PLOT_WIDTH / len(steps)
    return round(_LEFT + apart * (steps.index(step) + 0.5))


def _y(value: float, top: int) -> float:
    return round(_TOP + _PLOT_HEIGHT * (1 - value / top), 1)


def _medians(points: Mapping[int, Sequence[float]]) -> str:
    return ", ".join(
        f"{statistics.median(values):.3g} at {step:,}" for step, values in points.items()
    )
