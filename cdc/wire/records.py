"""A Kafka record as the feed sees it, without a client library."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record that was read."""

    source: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    """None in a tombstone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be written."""

    topic: str
    key: bytes
    value: bytes | None
    """None makes a tombstone."""
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int
