"""A topic read by offset, without a consumer group: what it holds, and the reader's protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cdc.wire.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicBounds:
    """The offsets that a topic holds; both tuples are indexed by partition number."""

    topic: str
    topic_id: str
    """A topic that was deleted and created again has another id."""
    first: tuple[int, ...]
    """The first offset that Kafka still holds in each partition."""
    end: tuple[int, ...]
    """The offset after the last record of each partition."""

    @property
    def shape(self) -> tuple[str, int]:
        """The topic's id and its number of partitions."""
        return self.topic_id, len(self.end)


class Tail(Protocol):
    """Reads one topic; every method raises Retryable while Kafka is unreachable."""

    def shape(self) -> tuple[str, int]:
        """Return the topic's id and its number of partitions.

        A change means that the topic was created again or has new partitions.
        """

    def bounds(self) -> TopicBounds:
        """Return the offsets that the topic holds."""

    def since(self, moment_ms: int) -> Mapping[int, int]:
        """Return each partition's first offset at or after a time, or else its end."""

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, and no others, from these offsets."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records; wait up to `seconds` for the first one."""

    def ended(self) -> Mapping[int, int]:
        """Return the partitions that were read to their end, each with its end offset."""

    def close(self) -> None:
        """Close the connection."""


OpenTail = Callable[[], Tail]
