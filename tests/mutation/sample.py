"""Random samples of mutations, and what the score of a sample says about all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from random import Random

_Z = 1.959964
"""The quantile of the normal distribution for an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A number of random mutations. The same seed and names give the same mutations."""

    size: int
    seed: int

    def draw(self, names: Iterable[str]) -> list[str]:
        ordered = sorted(names)
        return Random(self.seed).sample(ordered, min(self.size, len(ordered)))


def wilson(killed: int, total: int) -> tuple[float, float]:
    """Return the limits of the 95 % Wilson interval for the share of killed mutations."""
    if not total:
        return 0.0, 1.0
    share, square = killed / total, _Z * _Z
    middle = share + square / (2 * total)
    width = _Z * sqrt(share * (1 - share) / total + square / (4 * total * total))
    return (middle - width) / (1 + square / total), (middle + width) / (1 + square / total)


def summary(path: str, killed: int, total: int) -> str:
    """Return the line that the check prints for the sample of a package or module."""
    low, high = (f"{100 * limit:.1f}" for limit in wilson(killed, total))
    percent = 100 * killed / total if total else 100.0
    return f"{path}: {killed} of {total} killed, {percent:.1f} %, 95 % interval {low} to {high} %"
