"""What the feed reads the topic by: Kafka, or its twin in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cdc.feed.position import Position, tag_of
from cdc.wire.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a topic holds."""

    first: Position
    """The first record that is held in each partition."""
    end: Position
    """Behind the last one."""


class Tail(Protocol):
    """Reads one topic without a group; every method raises Retryable while Kafka is away."""

    def shape(self) -> tuple[str, int]:
        """Return the tag of the topic's positions and its number of partitions.

        Both stay as long as the topic is what it was.
        """

    def extent(self) -> Extent:
        """Return what the topic holds."""

    def since(self, moment_ms: int) -> Mapping[int, int]:
        """Return the first offset of each partition that was made then or later, else its end."""

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, and only these, from these offsets."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records, waiting `seconds` for the first one only."""

    def ended(self) -> Mapping[int, int]:
        """Return the partitions that were read to their end, with the next offset there."""

    def close(self) -> None:
        """Close the connection."""


OpenTail = Callable[[], Tail]


def extent_of(topic: str, topic_id: str, bounds: list[tuple[int, int]]) -> Extent:
    """Return the extent for the first and the next offset of each partition."""
    tag = tag_of(topic, topic_id)
    first, end = zip(*bounds, strict=True)
    return Extent(first=Position(tag, first), end=Position(tag, end))
