"""Kafka records and positions, independent of any client library."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Headers = tuple[tuple[str, bytes | None], ...]
"""A record's headers in Kafka's order. A name may occur several times."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of a topic."""

    topic: str
    partition: int


LeaderEpochs = Mapping[TopicPartition, int | None]
"""The leader epoch of one record of each partition; None if it is not known."""
UNKNOWN_EPOCHS: LeaderEpochs = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record read from Kafka."""

    source: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    """None in a tombstone."""
    headers: Headers = ()
    timestamp_ms: int = 0
    """Milliseconds since 1970; 0 if the record has no timestamp."""
    leader_epoch: int | None = None
    """The partition's leader epoch when the record was written; None if it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be published."""

    topic: str
    key: bytes
    value: bytes | None
    """None for a tombstone."""
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int
