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
    """The number of offsets between the replica's position and the partition's end."""
    seconds: float | None
    """The age of the first record that is not applied; 0 if all records are applied. If Kafka does
    not return the record, this is the highest age that the last reading allows, or None without a
    last reading."""
    end: int = 0
    """The offset of the partition's next record."""
    lost: bool = False
    """Whether Kafka no longer has the record at the position. A consumer that detects this stores a
    gap."""
    recreated: bool = False
    """Whether the position belongs to a deleted topic of the same name. Then `lost` is also True,
    and all records of the partition count as unapplied."""
    seconds_to_loss: float | None = None
    """How long the consumers can stay offline before Kafka may remove a record that is not
    applied; 0 if a record is lost. None if Kafka removes none, or if its configuration or the age
    of the record cannot be read."""
    seconds_to_marker_expiry: float | None = None
    """How long the consumers can stay offline. After this time, MongoDB may have removed delete
    markers that the first unapplied record needs. None if the age of the record cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGap:
    """Records that Kafka has lost or a rewind has skipped in a partition; perhaps not applied."""

    topic: str
    partition: int
    lost_from: int
    """The next offset that the consumer had to apply when the gap was found."""
    resumed_at: int
    """The offset at which the consumer resumed. It is `lost_from` or lower if Kafka lost the newest
    records or the whole topic."""
    at: datetime
    """The time at which the gap was last found or extended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCount:
    """The rows of a table, and the documents in each of its collections."""

    table: str
    rows: int
    documents: Mapping[str, int]
    uncounted: tuple[str, ...] = ()
    """The collections whose documents could not be counted in time."""

    @property
    def equal(self) -> bool:
        """Whether every collection has as many documents as the table has rows."""
        return not self.difference

    @property
    def difference(self) -> int:
        """The largest difference between the number of rows and the documents of a collection."""
        return max((abs(count - self.rows) for count in self.documents.values()), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedColumns:
    """The columns in which some documents of a table differ from the model."""

    table: str
    lacking: tuple[str, ...]
    """Columns that have no value in at least one document."""
    left_over: tuple[str, ...]
    """Columns that at least one document has, although the model no longer has them."""
    in_time: bool = True
    """False if the search timed out; some of the columns were then not searched completely."""


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
    """The login name of the user, or the actor if the actor is not a user."""
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An error that makes a process retry."""

    process: str
    """The kind and the name of the process, such as `relay web-1:42:1f2e3d4c`."""
    error: str
    since: datetime
    """The time of the first failed attempt since the last success."""
    attempts: int
    """The number of failed attempts since then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatus:
    """The last canary, which is a row that is sent through the pipeline every ten seconds."""

    sent_seconds_ago: float
    started_seconds_ago: float
    """How long canaries have been sent without a break of more than 30 seconds."""
    arrived_seconds_ago: float | None
    """The age of the last canary that arrived; None if no canary has ever arrived."""
    seconds: float | None
    """The latency of the last canary that arrived, from its save until it was read in MongoDB."""

    @property
    def late(self) -> bool:
        """Whether canaries have been sent for some time but do not arrive."""
        return not self.stopped and self.awaited and self.started_seconds_ago > CANARY_SECONDS

    @property
    def awaited(self) -> bool:
        """Whether no canary has arrived recently."""
        arrived = self.arrived_seconds_ago
        return arrived is None or arrived > CANARY_SECONDS

    @property
    def stopped(self) -> bool:
        """Whether no canaries are being sent."""
        return self.sent_seconds_ago > CANARY_SECONDS
