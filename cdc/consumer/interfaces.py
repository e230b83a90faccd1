"""The protocols of the consumer's source, replica and store of dead letters."""

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from cdc.mongo.plan import Applied, Delivered, Identity, RowKey, StoredPosition
from cdc.wire.event import Version
from cdc.wire.records import UNKNOWN_EPOCHS, LeaderEpochs, Record, TopicPartition


class Source(Protocol):
    """Kafka's partitions, as the consumer reads them."""

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records; wait up to `seconds` for the first record only."""

    def waiting(self) -> frozenset[TopicPartition]:
        """Return the assigned partitions that are not fetched yet."""

    def started(self) -> frozenset[TopicPartition]:
        """Return the partitions that are fetched."""

    def start(
        self, source: TopicPartition, offset: int | None, leader_epoch: int | None = None
    ) -> None:
        """Fetch a waiting partition from `offset`; None means its first record.

        `leader_epoch` is the leader epoch of the record before `offset`, if known.
        """

    def lost_at(self, source: TopicPartition, offset: int, leader_epoch: int | None) -> bool:
        """Return whether Kafka has reported that it lost the records at this position.

        The partition must be waiting.
        """

    def first_offset(self, source: TopicPartition) -> int:
        """Return the partition's first offset in Kafka; raise Retryable if it cannot be read."""

    def ends(self) -> Mapping[TopicPartition, int]:
        """Return the ends that polls have reached since the last call, by partition.

        All records before an end were polled. Some offsets before it may have no record.
        """

    def release(self) -> None:
        """Stop fetching; every assigned partition then waits for the next `start`."""

    def store(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store the group's offsets in Kafka, for tools that show lag."""


class Replica(Protocol):
    """The replica, to which the consumer applies events."""

    def take_over(self, source: TopicPartition, topic_id: str) -> StoredPosition:
        """Become the owner of the partition; return its position.

        `topic_id` is Kafka's id of the topic: a recreated topic is read from its start.
        """

    def record_gap(self, source: TopicPartition, resume_at: int) -> StoredPosition:
        """Move the position to `resume_at`, because Kafka has lost the records at the position.

        If the partition had a position, the lost records are stored as a gap.
        """

    def apply(
        self,
        batch: Sequence[Delivered],
        advance: Mapping[TopicPartition, int],
        deleted_rows: Container[RowKey] = (),
        leader_epochs: LeaderEpochs = UNKNOWN_EPOCHS,
    ) -> Applied:
        """Apply a batch and move the positions to `advance`, in one transaction.

        `deleted_rows` are rows that the database no longer has. `leader_epochs` contains, for each
        partition, the leader epoch of the partition's last record in the batch.
        """

    def version(self, table: str, key: Identity) -> Version | None:
        """Return the highest version of a row's documents and delete marker, or None.

        Raise Retryable on an error, and Rejected for a key that MongoDB cannot store.
        """

    def check(self, sources: frozenset[TopicPartition]) -> None:
        """Raise Fenced if a partition in `sources` was taken over or its position was moved."""

    def forget(self) -> None:
        """Forget the positions of the owned partitions, which must then be taken over again."""


class DeadLetters(Protocol):
    """The store of messages that can never be applied."""

    def store(self, record: Record, topic_id: str, reason: str) -> bool:
        """Store a message once; return whether it is new. Raise Fatal if it cannot be stored."""
