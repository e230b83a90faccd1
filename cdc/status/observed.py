"""What could be read about the pipeline; `cdc.status.findings` judges it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

from cdc.outbox.other_databases import OtherOutbox
from cdc.outbox.table import Depth
from cdc.printable import counted
from cdc.status.facts import (
    CanaryStatus,
    ChangedColumns,
    LastReconcile,
    OpenGap,
    PartitionLag,
    Paused,
    TableCount,
    Trouble,
)
from cdc.status.latency import Delays

PATIENCE_SECONDS = 10.0
"""A change that has been in transit for more than this number of seconds counts as delayed."""
_ABSENCE_SECONDS = 3.0
"""If no process works on a change, the change counts as delayed after this number of seconds. A
takeover takes less time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The state of the pipeline. None means that a value could not be read; see `problems`."""

    outbox: Depth | None
    outbox_seconds: float
    """The age of the oldest row in the outbox; 0 if the outbox is empty."""
    lags: tuple[PartitionLag, ...] | None
    tables: tuple[TableCount, ...] | None
    dead_letters: int | None
    """The number of dead letters that wait for a decision."""
    counters: Mapping[str, int] | None
    """The totals of the counters since the database was created, by name."""
    problems: tuple[str, ...]
    """One message for each read that failed."""
    unreachable: tuple[str, ...] = ()
    """The services that did not respond."""
    relay: str | None = None
    """The relay that holds the lease; empty if no relay holds the lease."""
    consumers: int | None = None
    """The number of processes in the consumer group."""
    delays: Delays | None = None
    last_error: str | None = ""
    """The reason of the newest waiting dead letter; empty if no dead letter is waiting."""
    reconcile: LastReconcile | None = None
    """None before the first reconciliation."""
    unverified: str | None = ""
    """Why the replica may differ until the repair of a new epoch has ended; otherwise empty."""
    discarded: str | None = ""
    """Why documents may differ since a dead letter of their row was discarded; otherwise empty."""
    paused: Paused | None = None
    """None if the consumers are not paused."""
    canary: CanaryStatus | None = None
    """None if no canary was ever sent."""
    gaps: tuple[OpenGap, ...] | None = None
    """The open gaps. A gap stays open until a later reconciliation leaves no difference."""
    columns: tuple[ChangedColumns, ...] | None = None
    """The columns in which documents differ from their model."""
    in_kafka: int | None = None
    """The number of records after the offsets that are committed in Kafka.

    It is read only while MongoDB is unreachable.
    """
    dead_letters_since: datetime | None = None
    """When the oldest waiting dead letter was stored."""
    moved: int = 0
    """The number of changes that were captured or published while the counts were read."""
    troubles: tuple[Trouble, ...] | None = None
    """The processes that have reported an error and have not recovered."""
    other_outboxes: tuple[OtherOutbox, ...] = ()
    """The outboxes of other databases, which relays of the default database do not read."""
    missing_topics: tuple[str, ...] = ()
    """The topics that should exist but do not (see `Lags.missing`); their lag is unknown."""
    abandoned_topics: tuple[str, ...] = ()
    """The topics with unapplied records that no model uses any more (see `Lags.abandoned`)."""
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def waiting(self) -> int:
        """The number of changes in transit, except in queues that could not be read."""
        rows = self.outbox.rows if self.outbox else 0
        return rows + sum(lag.records for lag in self.lags or ())

    @property
    def kafka_seconds(self) -> float:
        """The age of the oldest record in Kafka that is not applied; 0 if all are applied.

        Ages that could not be read are left out; `problems` then contains the reason.
        """
        return max((lag.seconds or 0.0 for lag in self.lags or ()), default=0.0)

    @property
    def outbox_late(self) -> bool:
        """Whether a change has been in the outbox for too long."""
        patience = _ABSENCE_SECONDS if self.relay == "" else PATIENCE_SECONDS
        return self.outbox_seconds > patience

    @property
    def kafka_late(self) -> bool:
        """Whether a record has been in Kafka for too long without being applied."""
        patience = _ABSENCE_SECONDS if self.consumers == 0 else PATIENCE_SECONDS
        return self.kafka_seconds > patience

    @property
    def missing(self) -> TableCount | None:
        """A table whose counts differ by more than the changes in transit can explain."""
        explained = self.waiting + self.moved
        return next((each for each in self.tables or () if each.difference > explained), None)

    @property
    def equal(self) -> bool:
        """Whether every collection has as many documents as its table has rows."""
        return all(table.equal for table in self.tables or ())

    @property
    def gap_places(self) -> str:
        """The partitions with an open gap or lost records as text, by topic; empty if none."""
        lost = (lag for lag in self.lags or () if lag.lost and not lag.recreated)
        found = {(gap.topic, gap.partition) for gap in self.gaps or ()}
        found |= {(lag.topic, lag.partition) for lag in lost}
        places = []
        for topic, pairs in groupby(sorted(found), itemgetter(0)):
            numbers = [str(number) for _, number in pairs]
            noun = "partition" if len(numbers) == 1 else "partitions"
            places.append(f"{noun} {', '.join(numbers)} of {topic}")
        return " and ".join(places)

    @property
    def none_lost(self) -> bool:
        """Whether the gaps could be read, and nothing that could be read shows a loss."""
        recreated = any(lag.recreated for lag in self.lags or ())
        lost = self.gap_places or self.missing_topics or self.abandoned_topics or recreated
        return self.gaps is not None and not lost

    @property
    def queued(self) -> str:
        """The number of queued changes as text, with `at least` if a queue could not be read.

        Empty if a queue could not be read and the others are empty.
        """
        complete = self.outbox is not None and (self.lags is not None or self.in_kafka is not None)
        complete = complete and not self.missing_topics
        count = self.waiting + (0 if self.lags is not None else self.in_kafka or 0)
        if not (complete or count):
            return ""
        return f"{'' if complete else 'at least '}{counted(count, 'change')} queued"
