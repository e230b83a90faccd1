"""What the status is made of: one class for each part that can be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

CANARY_SECONDS = 30.0
"""A canary is sent every ten seconds; one that takes longer than three of them is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """What one partition holds that the replica has not applied."""

    topic: str
    partition: int
    records: int
    """Offsets between the replica's position and the partition's end."""
    seconds: float
    """Age of the first record that is not applied; 0 without lag."""
    lost: bool = False
    """Whether Kafka no longer holds the position; a gap, once a consumer has found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGap:
    """Records that Kafka lost and that may not have been applied."""

    topic: str
    partition: int
    lost_from: int
    """The position that Kafka no longer held."""
    resumed_at: int
    """The offset at which reading resumed; lower if Kafka lost its newest records, or the topic."""
    at: datetime
    """When it was last found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCount:
    """The rows of a table, and the documents in each of its collections."""

    table: str
    rows: int
    documents: Mapping[str, int]

    @property
    def equal(self) -> bool:
        """Whether every collection holds as many documents as the table has rows."""
        return all(count == self.rows for count in self.documents.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedColumns:
    """The columns of a table that were changed, and in which not every document was."""

    table: str
    lacking: tuple[str, ...]
    """Columns of which some documents have no value."""
    left_over: tuple[str, ...]
    """Columns that the model no longer has, and some documents have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReconcile:
    """The result of the last reconciliation."""

    finished_at: datetime
    seconds_ago: float
    equal: bool
    """Whether no differences remain."""
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A pause of the consumer group."""

    who: str
    """A login name, or the actor."""
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatus:
    """The record that is sent through the whole pipeline every ten seconds."""

    sent_seconds_ago: float
    arrived_seconds_ago: float | None
    """Of the last one that arrived; None when none ever has."""
    seconds: float | None
    """The latency of that one, from its save until it is seen in the replica."""

    @property
    def late(self) -> bool:
        """Whether canaries are sent but do not arrive."""
        arrived = self.arrived_seconds_ago
        return not self.stopped and (arrived is None or arrived > CANARY_SECONDS)

    @property
    def stopped(self) -> bool:
        """Whether no canaries are being sent."""
        return self.sent_seconds_ago > CANARY_SECONDS
