"""Kafka records and positions, independent of any client library."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record read from Kafka."""

    source: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    """None in a tombstone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be published."""

    topic: str
    key: bytes
    value: bytes | None
    """None makes a tombstone."""
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int
