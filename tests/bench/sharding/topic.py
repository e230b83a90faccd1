"""Kafka's topic, which checks the order of each key's changes."""

from collections import deque
from collections.abc import Sequence

from tests.bench.sharding.changes import Change
from tests.bench.sharding.cluster import partition_of


class OrderBrokenError(Exception):
    """A change was published before an earlier change of its key, or for a second time."""


class Topic:
    """The partitions. Each change must be published once, in the order of its key's commits."""

    def __init__(self, partitions: int) -> None:
        self.partitions: list[deque[Change]] = [deque() for _ in range(partitions)]
        """The records that no consumer has read."""
        self._expected: dict[int, int] = {}
        """The number of the next change of each key."""
        self.published = [0, 0]
        """The number of published changes of each generation of shards."""

    def append(self, batch: Sequence[Change]) -> None:
        """Append a batch; raise OrderBrokenError if a change is out of order."""
        for change in batch:
            expected = self._expected.get(change.key, 0)
            if change.number != expected:
                raise OrderBrokenError(
                    f"Change {change.number} of key {change.key} was published by shard "
                    f"{change.shard.number} when change {expected} was due."
                )
            self._expected[change.key] = expected + 1
            self.published[change.shard.generation] += 1
            self.partitions[partition_of(change.key, len(self.partitions))].append(change)
