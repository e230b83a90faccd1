"""The numbers on a vertical axis, and the value that the axis must reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from math import ceil

_STEPS = (1, 2, 5)
_MOST = 5
_THOUSAND, _MILLION = 1_000, 1_000_000
_SHORTEST = 10_000
"""Smaller numbers are written with all their digits."""
_FEWEST = 4
"""If there are fewer values, none of them counts as exceptional."""
_USUAL_SHARE, _MOST_TIMES = 0.75, 5


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on the axis, and the position of its line, counted from the top of the drawing."""

    text: str
    y: int


def nice_values(largest: int, most: int = _MOST) -> tuple[int, ...]:
    """Return up to `most` evenly spaced round numbers, from 0 to at least `largest`.

    The distance is 1, 2 or 5 times a power of ten, and at least 1.
    """
    largest = max(largest, 1)
    steps = (step * 10**power for power in count() for step in _STEPS)
    step = next(each for each in steps if each * (most - 1) >= largest)
    return tuple(range(0, largest + step, step))


def readable_largest(values: Iterable[float]) -> float:
    """Return the largest value that is not exceptional; 0 if no value is above 0.

    Three quarters of the values above 0 are usual. A value is exceptional if it is more than five
    times the largest usual one. If the scale reached this value, the usual ones would look like 0.
    """
    ordered = sorted(value for value in values if value > 0)
    if len(ordered) < _FEWEST:
        return ordered[-1] if ordered else 0
    limit = _MOST_TIMES * ordered[ceil(_USUAL_SHARE * len(ordered)) - 1]
    return next(value for value in reversed(ordered) if value <= limit)


def ticks(values: tuple[int, ...], height: int) -> tuple[Tick, ...]:
    """Return the lines for `values`; the last is at the top of the drawing."""
    top = values[-1]
    return tuple(Tick(short_number(each), height - each * height // top) for each in values)


def short_number(number: int) -> str:
    """Return an integer as a short text, such as `1,500`, `20k` or `2.5M`."""
    for unit, letter in ((_MILLION, "M"), (_THOUSAND, "k")):
        if number >= max(unit, _SHORTEST):
            return f"{number / unit:.1f}".removesuffix(".0") + letter
    return f"{number:,}"
