"""What is simulated: the cluster, the load, and a change of the number of shards."""

from dataclasses import dataclass
from zlib import crc32

# Values of the relay and the consumer. Those modules can be imported only after Django is set up; a
# test compares the values.
BATCH = 1_000
"""The maximum number of new rows in a relay's batch."""
DELETED = 500
"""The maximum number of rows that one statement deletes."""
RECORDS = 1_000
"""The maximum number of records in a consumer's batch."""
SHORTEST_PAUSE, LONGEST_PAUSE, PAUSE_SHARE = 0.001, 0.016, 0.02
"""The pause of a relay that has found no further rows: a share of the time since its last batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The machines. These values are assumptions; the measured costs are in `costs`."""

    shards: int = 1
    """The relays, each with its own processor."""
    column: bool = True
    """Whether each outbox row contains its shard, indexed with the id. Otherwise, the database
    computes the shard of each row that it reads, and skips the rows of other shards."""
    partitions: int = 64
    consumers: int = 32
    """The consumers, each with its own processor."""
    database_cores: int = 4
    """The cores of MySQL's primary that are left for the statements of relays."""
    mongodb_cores: int = 16
    """The cores of MongoDB's primary."""
    round_trip: float = 0.0005
    """The time to another machine and back, in seconds."""
    acknowledgement: int = 2
    """The round trips until a write is replicated: to the primary, and from there to a replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The changes."""

    rate: float = 100_000.0
    """Changes per second, which arrive at random times."""
    changes: int = 100_000
    waiting: bool = False
    """Whether all changes are committed before the relays start."""
    keys: int = 100_000
    skew: float = 0.0
    """The exponent of Zipf's law: 0 if all keys change equally often. With 1, the second key
    changes half as often as the first, and the third a third as often."""
    largest_commit: int = 3
    """A transaction has between one and this many changes."""
    late_share: float = 0.03
    """The share of the transactions that commit late, after transactions with higher ids."""
    late_seconds: float = 0.05
    """How late they commit, on average."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resharding:
    """A change of the number of shards while rows are waiting."""

    at: float
    """When it happens. Rows that are inserted later are in the new shards."""
    shards: int
    """The new number of shards."""
    barrier: bool = True
    """Whether the new relays wait until all rows of the old shards are published."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the outbox. After a change of the number of shards, the generation is 1, not 0."""

    generation: int
    number: int


def shard_of(key: int, _outbox_id: int, shards: int) -> int:
    """Return the shard of a key. The shard and the partition of a key are independent."""
    return crc32(b"shard of %d" % key) % shards


def partition_of(key: int, partitions: int) -> int:
    """Return the partition of a key."""
    return crc32(b"%d" % key) % partitions
