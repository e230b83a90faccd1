"""The protocol of a reader that reads a topic by offset, without a consumer group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cdc.wire.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicBounds:
    """The first and end offsets of a topic; both tuples are indexed by partition number."""

    topic: str
    topic_id: str
    """Kafka's id of the topic. A recreated topic has a different id."""
    first: tuple[int, ...]
    """For each partition, the first offset that Kafka has not deleted."""
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

        If the result changes, the topic was recreated or has new partitions.
        """

    def bounds(self) -> TopicBounds:
        """Return the first and end offsets of the topic."""

    def since(self, moment_ms: int) -> Mapping[int, int]:
        """Return, for each partition, the offset of the first record since `moment_ms`.

        `moment_ms` is in milliseconds since 1970. If there is no such record, return the end offset
        of the partition.
        """

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read only these partitions, from these offsets."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records; wait up to `seconds` for the first one."""

    def ended(self) -> Mapping[int, int]:
        """Return the end offset of each partition that was read to the end."""

    def close(self) -> None: ...


OpenTail = Callable[[], Tail]
