"""A topic from which some records were removed, as by compaction."""

from dataclasses import dataclass, field

from cdc.testing.tail import MemoryTail
from cdc.wire.records import Record


@dataclass(slots=True)
class Compacted(MemoryTail):
    """A tail that skips removed records. `removed` contains their partitions and offsets."""

    removed: set[tuple[int, int]] = field(default_factory=set)

    def poll(self, limit: int, seconds: float) -> list[Record]:
        found = MemoryTail.poll(self, limit, seconds)
        return [each for each in found if (each.source.partition, each.offset) not in self.removed]
