"""The parts of the status: one class for each part that can be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

CANARY_SECONDS = 30.0
"""A canary is sent every ten seconds, and is late after three times this interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """The records of one partition that the replica has not applied."""

    topic: str
    partition: int
    records: int
    """Offsets between the replica's position and the partition's end."""
    seconds: float
    """Age of the first record that is not applied; 0 without lag."""
    lost: bool = False
    """Whether Kafka no longer holds the position; when a consumer detects this, it stores a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGap:
    """A gap: records that Kafka lost and that may not have been applied."""

    topic: str
    partition: int
    lost_from: int
    """The position that Kafka no longer held."""
    resumed_at: int
    """The offset at which reading resumed; lower if Kafka lost the newest records or the topic."""
    at: datetime
    """When the gap was last found."""


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
    in_time: bool = True
    """False if the time did not suffice to find out: documents may have the right columns."""


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
    """The login name, or else the actor."""
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatus:
    """The record that is sent through the whole pipeline every ten seconds."""

    sent_seconds_ago: float
    arrived_seconds_ago: float | None
    """Age of the last canary that arrived; None if no canary has ever arrived."""
    seconds: float | None
    """The latency of that canary, from its save until it is seen in the replica."""

    @property
    def late(self) -> bool:
        """Whether canaries are sent but do not arrive."""
        arrived = self.arrived_seconds_ago
        return not self.stopped and (arrived is None or arrived > CANARY_SECONDS)

    @property
    def stopped(self) -> bool:
        """Whether no canaries are being sent."""
        return self.sent_seconds_ago > CANARY_SECONDS
