"""The writers: changes with outbox ids, as their transactions insert and commit them."""

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.bench.sharding.cluster import Cluster, Load, Resharding, Shard, shard_of

ShardOf = Callable[[int, int, int], int]
"""The shard of a key and an outbox id, for a number of shards."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the outbox."""

    id: int
    key: int
    number: int
    """The position of the change among those of its key, in the order of commits, from 0."""
    committed: float
    shard: Shard


@dataclass(frozen=True, slots=True)
class _Transaction:
    inserted: float
    committed: float
    keys: Sequence[int]


def changes(
    load: Load,
    cluster: Cluster,
    resharding: Resharding | None = None,
    shard_in: ShardOf = shard_of,
) -> list[Change]:
    """Return the changes of a load, lowest id first; the same load always has the same changes."""
    transactions = sorted(_transactions(load), key=lambda each: each.inserted)
    numbers: defaultdict[int, Iterator[int]] = defaultdict(itertools.count)
    ids = itertools.count(1)
    found: list[Change] = []
    for each in transactions:
        later = resharding is not None and each.inserted >= resharding.at
        shards = resharding.shards if resharding and later else cluster.shards
        for key in each.keys:
            number = next(ids)
            shard = Shard(int(later), shard_in(key, number, shards))
            found.append(Change(number, key, next(numbers[key]), each.committed, shard))
    return found


def _transactions(load: Load) -> Iterator[_Transaction]:
    """Yield transactions. A transaction waits for the locks of its rows before it inserts.

    A change of a row is therefore inserted only after the last change of the row was committed.
    """
    rng = random.Random(load.seed)
    locked: dict[int, float] = {}
    now, mean = 0.0, (1 + load.largest_commit) / 2
    for keys in _keys(load, rng):
        now += 0.0 if load.waiting else rng.expovariate(load.rate / mean)
        inserted = max(now, *(locked.get(key, 0.0) for key in keys))
        late = not load.waiting and rng.random() < load.late_share
        committed = inserted + (rng.expovariate(1 / load.late_seconds) if late else 0.0)
        locked.update(dict.fromkeys(keys, committed))
        yield _Transaction(inserted, committed, keys)


def _keys(load: Load, rng: random.Random) -> Iterator[Sequence[int]]:
    """Yield the keys of each transaction."""
    weights = list(itertools.accumulate((rank + 1) ** -load.skew for rank in range(load.keys)))
    drawn = rng.choices(range(load.keys), cum_weights=weights, k=load.changes)
    at = 0
    while at < load.changes:
        some = drawn[at : at + rng.randint(1, load.largest_commit)]
        at += len(some)
        yield some
