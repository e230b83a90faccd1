"""The schedule of a seed: which fault happens when, to what, and for how long.

The same seed gives the same schedule. The processes that it strikes still run at their own pace,
so two runs of a seed are not identical to the microsecond.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

ON_PROCESSES = ("kill", "suspend")
ON_SERVERS = ("kill", "suspend", "cut", "slow", "reset")
ON_ALL = ("kill_all",)
MAINTENANCE = ("snapshot", "reconcile", "rewind", "rebalance")
ONCE = ("add_partition", "add_column")
_AT_ONCE = 0.25
"""The probability that two faults happen at the same time."""
_LONGEST_SECONDS = {"kill": 2.0, "kill_all": 2.0, "slow": 4.0}
_LONGEST_OTHERWISE = 6.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a kind such as `kill`, to a target such as `relay-1`, that lasts `seconds`."""

    kind: str
    target: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} {self.target} {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Step:
    """Faults that happen at the same time, `pause` seconds after the previous step has ended."""

    pause: float
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"{self.pause:.1f} s: {', '.join(map(str, self.faults))}"


@dataclass(frozen=True, slots=True)
class Targets:
    """The names of everything that a schedule may strike."""

    processes: Sequence[str]
    servers: Sequence[str]
    groups: Sequence[str]
    """Kinds of servers, all of which are killed at the same moment."""


def plan(seed: int, count: int, targets: Targets) -> list[Step]:
    """Return a schedule of `count` faults.

    Every combination of fault and target occurs once before any is repeated.
    """
    chance = random.Random(seed)
    faults = draw(chance, count, targets, ONCE)
    steps: list[Step] = []
    while faults:
        size = 2 if len(faults) > 1 and chance.random() < _AT_ONCE and _may_meet(faults) else 1
        steps.append(Step(chance.uniform(0.2, 2.0), tuple(faults[:size])))
        del faults[:size]
    return steps


def draw(
    chance: random.Random, count: int, targets: Targets, kinds_once: Sequence[str] = ()
) -> list[Fault]:
    """Return `count` faults in a random order. Each of `kinds_once` occurs at most once."""
    once = [Fault(kind, "", 0.0) for kind in kinds_once]
    pool = list(_all_kinds(targets))
    rounds: list[tuple[str, str]] = []
    while len(rounds) < count - len(once):
        chance.shuffle(pool)
        rounds += pool
    chosen = [
        Fault(kind, target, _seconds(chance, kind))
        for kind, target in rounds[: max(count - len(once), 0)]
    ]
    for fault in once[:count]:
        chosen.insert(chance.randint(0, len(chosen)), fault)
    return chosen


def _all_kinds(targets: Targets) -> chain[tuple[str, str]]:
    return chain(
        ((kind, target) for kind in ON_PROCESSES for target in targets.processes),
        ((kind, target) for kind in ON_SERVERS for target in targets.servers),
        ((kind, target) for kind in ON_ALL for target in targets.groups),
        ((kind, "") for kind in MAINTENANCE),
    )


def _seconds(chance: random.Random, kind: str) -> float:
    return chance.uniform(0.2, _LONGEST_SECONDS.get(kind, _LONGEST_OTHERWISE))


def _may_meet(faults: Sequence[Fault]) -> bool:
    """Return whether the first two faults, outages of different targets, may happen at once."""
    first, second = faults[:2]
    kinds = {*ON_PROCESSES, *ON_SERVERS}
    return first.target != second.target and {first.kind, second.kind} <= kinds
