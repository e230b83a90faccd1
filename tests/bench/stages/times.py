"""Computes the stages of each change from the times at which it was seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.bench.watcher import Commit, Sight

NAMES = (
    "commit to topic",
    "topic to the start of the transaction",
    "transaction until visible",
    "commit to visible",
)
_Times = dict[tuple[int, int | None], float]
_HALF_A_MILLISECOND = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The times of the changes of one measurement, by the same clock."""

    commits: Sequence[Commit]
    topic: Sequence[Sight]
    applied: Sequence[Sight]
    """When the consumer began to write the change."""
    visible: Sequence[Sight]


def stages(seen: Seen) -> dict[str, list[float]]:
    """Return the seconds of each stage in NAMES, one value for each change.

    A change that was replaced by a later change of the same row before it became visible has no
    values.
    """
    each = [_first(part) for part in (seen.commits, seen.topic, seen.applied, seen.visible)]
    changes = set.intersection(*(set(times) for times in each))
    pairs = [*pairwise(each), (each[0], each[-1])]
    return {
        name: [ended[change] - begun[change] for change in changes]
        for name, (begun, ended) in zip(NAMES, pairs, strict=True)
    }


def applied(history: Iterable[Mapping[str, Any]], offset: float) -> list[Sight]:
    """Return when the consumer began to write each change of the history.

    `offset` is the time of this process's monotonic clock at the time 0 of the system's clock. The
    history contains whole milliseconds, rounded down, so half a millisecond is added.
    """
    return [
        Sight(
            at=item["applied_at"].timestamp() + _HALF_A_MILLISECOND + offset,
            key=item["key"],
            mark=(item["after"] or {}).get("diggs"),
        )
        for item in history
    ]


def _first(seen: Iterable[Commit | Sight]) -> _Times:
    found: _Times = {}
    for each in seen:
        found.setdefault((each.key, each.mark), each.at)
    return found
