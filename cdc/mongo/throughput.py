"""Counts the changes in each part of the pipeline, by interval; pure functions without I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The changes that were captured in one interval and applied in the same or another one."""

    captured: int
    """The number of the interval; 0 is the oldest."""
    applied: int | None
    """None if the history does not say when the changes were applied."""
    changes: int
    deletes: int
    slowest: float
    """The longest delay from capture to replica, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Numbers for each interval, oldest first. They count only changes that were applied."""

    captured: tuple[int, ...]
    published: tuple[int, ...]
    """The Kafka records of the captured changes. A delete has two records."""
    in_transit: tuple[int, ...]
    """The captured changes that were not applied at the end of the interval."""
    delays: tuple[float, ...]
    """The longest delay of the changes that were applied, in seconds."""
    applied: tuple[int, ...]


def throughput_of(passed: Iterable[Passed], bins: int) -> Throughput:
    """Return the numbers for `bins` intervals."""
    captured, published, applied = [0] * bins, [0] * bins, [0] * bins
    delays = [0.0] * bins
    for each in passed:
        captured[each.captured] += each.changes
        published[each.captured] += each.changes + each.deletes
        if each.applied is not None:
            # The clocks of two machines may differ.
            place = min(max(each.applied, 0), bins - 1)
            applied[place] += each.changes
            delays[place] = max(delays[place], each.slowest)
        else:
            applied[each.captured] += each.changes
    balances = (come - gone for come, gone in zip(captured, applied, strict=True))
    return Throughput(
        captured=tuple(captured),
        published=tuple(published),
        in_transit=tuple(max(each, 0) for each in accumulate(balances)),
        delays=tuple(delays),
        applied=tuple(applied),
    )
