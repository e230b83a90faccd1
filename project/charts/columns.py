"""Column charts: stacked columns over time, with a line for the previous period.

An exceptionally high column does not fit on the scale. It is drawn with a break, and its value is
written above it. If several such columns are close together, only the highest has its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from project.charts.scale import Tick, nice_values, readable_largest, short_number, ticks

HEIGHT = 200
"""The height of the drawing in pixels."""
STEP = 10
"""The width of a column and its gap. The drawing is stretched to the width of the page."""
_COLUMN = 8
_EDGE = (STEP - _COLUMN) // 2
_MARKS = 8
_WIDE = 12
"""If a chart has at most this many columns, a label fits below each of them, even on a phone."""
_HEAD, _FOOT = 8, 20
_PEAK_HEAD = 24
"""The space above the drawing if there are values above columns."""
_PEAKS = 8
"""How many values above columns fit side by side."""
_BREAK_Y, _BREAK = 16, 4


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour, one for each column."""

    name: str
    values: Sequence[int]
    colour: int = 0
    """The number of the colour, starting at 1; 0 selects the place of the series in the chart."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The rectangles of one series as the data of an SVG path."""

    number: int
    """The number of the colour, starting at 1."""
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The area of one column, from the bottom to the top of the drawing, and its tooltip."""

    x: int
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on the horizontal axis, or a value above a column."""

    text: str
    place: str
    """The position of the label's centre or end (see `anchor`), in percent of the chart's width."""
    minor: bool = False
    """Whether the label is left out on narrow screens."""
    anchor: str = "middle"
    """The value of the SVG attribute `text-anchor`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChart:
    """The data that `templates/charts/columns.html` draws."""

    summary: str
    """The accessible name, which describes what a sighted reader sees."""
    layers: tuple[Layer, ...]
    line: str
    """The points of the comparison line; empty without a comparison."""
    ticks: tuple[Tick, ...]
    slots: tuple[Slot, ...]
    marks: tuple[Mark, ...]
    peaks: tuple[Mark, ...]
    """The values of the columns that do not fit on the scale."""
    breaks: str
    """The breaks in these columns, as the data of an SVG path."""
    line_is_cut: bool
    """Whether the comparison line has values above the scale. They are drawn at the top."""
    partial: int | None
    """The x coordinate of the last column if its interval has not ended yet."""
    unfinished: str
    """The label of this column; empty if its interval has ended."""
    width: int
    height: int = HEIGHT
    step: int = STEP

    @property
    def head(self) -> int:
        """The space above the drawing."""
        return _PEAK_HEAD if self.peaks else _HEAD

    @property
    def outer_height(self) -> int:
        """The height of the drawing and its labels."""
        return self.head + self.height + _FOOT

    @property
    def label_y(self) -> int:
        """The baseline of the labels on the horizontal axis."""
        return self.outer_height - 2


def column_chart(
    series: Sequence[Series],
    *,
    labels: Sequence[str],
    titles: Sequence[str],
    summary: str,
    before: Sequence[int] = (),
    unfinished: str = "",
    marked: Sequence[int] | None = None,
) -> ColumnChart:
    """Return a chart with a column for each of the `labels`, in which the `series` are stacked.

    `titles` are the tooltips of the columns. `before` contains, for each column, the total in the
    previous period; it may be empty. `labels`, `titles` and the values of each series have the same
    length, and no value is negative. `unfinished` is the label of the last column if its
    interval has not ended yet. `marked` are the columns whose labels are shown; by default, a few
    at equal distances.
    """
    stacks = [tuple(accumulate(column)) for column in zip(*(s.values for s in series), strict=True)]
    totals = [stack[-1] for stack in stacks]
    values = nice_values(round(readable_largest([*totals, *before])))
    top = values[-1]
    peaks = [place for place, total in enumerate(totals) if total > top]
    return ColumnChart(
        summary=summary,
        layers=tuple(
            Layer(each.colour or number + 1, each.name, _layer(stacks, number, top))
            for number, each in enumerate(series)
        ),
        line=" ".join(
            f"{place * STEP + STEP // 2},{HEIGHT - _height(value, top)}"
            for place, value in enumerate(before)
        ),
        ticks=ticks(values, HEIGHT),
        slots=tuple(Slot(place * STEP, title) for place, title in enumerate(titles)),
        marks=_marks(labels, unfinished, marked),
        peaks=_peaks(totals, peaks),
        breaks="".join(_break(place) for place in peaks),
        line_is_cut=max(before, default=0) > top,
        unfinished=unfinished,
        partial=(len(labels) - 1) * STEP if unfinished and labels else None,
        width=max(len(labels), 1) * STEP,
    )


def _layer(stacks: Sequence[tuple[int, ...]], number: int, top: int) -> str:
    """Return one closed rectangle for each column in which the series is at least 1 px high."""
    shapes = []
    for place, stack in enumerate(stacks):
        # A column that is too high for the scale keeps the shares of its series.
        scale = max(top, stack[-1])
        lower = _height(stack[number - 1], scale) if number else 0
        upper = _height(stack[number], scale)
        if upper > lower:
            x = place * STEP + _EDGE
            shapes.append(f"M{x} {HEIGHT - lower}V{HEIGHT - upper}h{_COLUMN}V{HEIGHT - lower}z")
    return "".join(shapes)


def _height(value: int, top: int) -> int:
    """Return the height of a value in px; at least 1 if the value is above zero."""
    return min(max(round(value * HEIGHT / top), 1), HEIGHT) if value else 0


def _break(place: int) -> str:
    """Return a slanted band across a column, near its top."""
    x = place * STEP + _EDGE
    return f"M{x} {_BREAK_Y}l{_COLUMN} -{_BREAK}v{_BREAK}l-{_COLUMN} {_BREAK}z"


def _peaks(totals: Sequence[int], places: Sequence[int]) -> tuple[Mark, ...]:
    """Return the values above columns. If columns are too close, only the highest has its value."""
    apart, chosen = -(-len(totals) // _PEAKS), list[int]()
    for place in sorted(places, key=lambda place: -totals[place]):
        if all(abs(place - other) >= apart for other in chosen):
            chosen.append(place)
    return tuple(
        Mark(short_number(totals[place]), _centre(place, len(totals))) for place in sorted(chosen)
    )


def _marks(
    labels: Sequence[str], unfinished: str, marked: Sequence[int] | None
) -> tuple[Mark, ...]:
    apart = max(-(-len(labels) // _MARKS), 1)
    places = list(range(0, len(labels), apart) if marked is None else marked)
    columns, last = len(labels), len(labels) - 1
    own = [_mark(unfinished, last, columns)] if unfinished and labels else []
    # The label of an unfinished column replaces a label that is too close to it, and on narrow
    # screens also the next label.
    room = apart if own else 0
    marks = [
        _mark(labels[place], place, columns, minor=number % 2 == 1 or last - place < 2 * room)
        for number, place in enumerate(places)
        if last - place >= room
    ]
    return (*marks, *own)


def _mark(text: str, place: int, columns: int, *, minor: bool = False) -> Mark:
    """Return a label below its column. For the last of many columns, it ends at the edge."""
    if place == columns - 1 and columns > _WIDE:
        return Mark(text, "100%", minor, "end")
    return Mark(text, _centre(place, columns), minor)


def _centre(place: int, columns: int) -> str:
    return f"{_percent(2 * place + 1, 2 * columns)}%"


def _percent(part: int, whole: int) -> str:
    """Return a share in percent with two decimals; the point is the same in every locale."""
    hundredths = round(part * 10_000 / whole)
    return f"{hundredths // 100}.{hundredths % 100:02}"
