"""The state of the pipeline, and the verdict: one sentence that names cause and remedy.

Only this module contains the text of the verdict. The terminal, the pages and the metrics render
the same Status object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cdc.outbox.table import Depth
from cdc.status.facts import (
    CanaryStatus,
    ChangedColumns,
    LastReconcile,
    OpenGap,
    PartitionLag,
    Paused,
    TableCount,
)
from cdc.status.latency import Delays

PATIENCE_SECONDS = 10.0
"""A change that has been in transit for longer is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
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
    last_error: str = ""
    """The reason of the newest waiting dead letter."""
    reconcile: LastReconcile | None = None
    """None before the first reconciliation."""
    unverified: str = ""
    """Why the replica may differ until the repair of a new epoch has ended; otherwise empty."""
    paused: Paused | None = None
    """None if the consumers are not paused."""
    canary: CanaryStatus | None = None
    """None if no canary was ever sent."""
    gaps: tuple[OpenGap, ...] | None = None
    """The open gaps. A gap stays open until a reconciliation leaves no difference."""
    columns: tuple[ChangedColumns, ...] | None = None
    """The columns in which documents differ from their model."""
    in_kafka: int | None = None
    """The number of records after the offsets that are committed in Kafka.

    It is read only while MongoDB is unreachable.
    """

    @property
    def waiting(self) -> int:
        """The number of changes in transit, without queues that could not be read."""
        rows = self.outbox.rows if self.outbox else 0
        return rows + sum(lag.records for lag in self.lags or ())

    @property
    def kafka_seconds(self) -> float:
        """The age of the oldest record in Kafka that is not applied; 0 if all are applied."""
        return max((lag.seconds for lag in self.lags or ()), default=0.0)

    @property
    def outbox_late(self) -> bool:
        """Whether a change has been in the outbox for longer than `PATIENCE_SECONDS`."""
        return self.outbox_seconds > PATIENCE_SECONDS

    @property
    def kafka_late(self) -> bool:
        """Whether a record in Kafka has not been applied for longer than `PATIENCE_SECONDS`."""
        return self.kafka_seconds > PATIENCE_SECONDS

    @property
    def equal(self) -> bool:
        """Whether every collection has as many documents as its table has rows."""
        return all(table.equal for table in self.tables or ())

    @property
    def doubtful(self) -> bool:
        """Whether documents may differ from their rows although nothing is in transit."""
        unequal = self.reconcile is not None and not self.reconcile.equal
        return bool(unequal or self.unverified or self.columns or self._gapped)

    @property
    def healthy(self) -> bool:
        """Whether every service responds, nothing is blocked and no difference remains."""
        blocked = self.problems or self.paused or self._no_relay or self._no_consumer
        return not blocked and not self.doubtful and (self.equal or self.waiting > 0)

    @property
    def queued(self) -> str:
        """The number of queued changes as text, with `at least` if a queue could not be read."""
        if self.outbox is None and self.lags is None and self.in_kafka is None:
            return ""
        complete = self.outbox is not None and (self.lags is not None or self.in_kafka is not None)
        count = self.waiting + (0 if self.lags is not None else self.in_kafka or 0)
        return f"{'' if complete else 'at least '}{_count(count, 'change')} queued"

    @property
    def verdict(self) -> str:
        """A sentence with the state, cause and remedy, and a second sentence on dead letters."""
        if self.problems:
            state = outage_verdict(self.unreachable, self.queued)
        else:
            state = (
                self._blocked
                or self._gap
                or self.unverified
                or self._in_transit
                or self._changed_columns
                or self._out_of_sync
                or self._in_sync
            )
        return state + self._dead_letters

    @property
    def _dead_letters(self) -> str:
        if not self.dead_letters:
            return ""
        need = "needs" if self.dead_letters == 1 else "need"
        letters = _count(self.dead_letters, "dead letter")
        return f" {letters} {need} a decision: see `manage.py dead_letters list`."

    @property
    def _blocked(self) -> str:
        """A sentence about the process that delays changes; empty if no process does."""
        if self.paused:
            return self._pause(self.paused)
        if self._no_relay:
            return f"{self._in_outbox}, and no relay is running: start `manage.py relay_outbox`."
        if self.outbox_late:
            return f"{self._in_outbox}: check the log of relay {self.relay}."
        if self._no_consumer:
            return (
                f"{self._in_kafka}, and no consumer is running: "
                "start `manage.py consume_and_save_to_mongodb`."
            )
        if self.kafka_late:
            verb = "is" if self.consumers == 1 else "are"
            return (
                f"{self._in_kafka}: {_count(self.consumers or 0, 'consumer')} {verb} lagging. "
                "Check their logs, or start more, up to one per partition."
            )
        return ""

    @property
    def _gapped(self) -> list[int]:
        """The partitions with a gap."""
        found = {gap.partition for gap in self.gaps or ()}
        return sorted(found | {lag.partition for lag in self.lags or () if lag.lost})

    @property
    def _gap(self) -> str:
        if not self._gapped:
            return ""
        noun = "partition" if len(self._gapped) == 1 else "partitions"
        return (
            f"A gap in {noun} {', '.join(map(str, self._gapped))}: Kafka lost records that may not "
            "have been applied. Run `manage.py reconcile --repair`."
        )

    def _pause(self, pause: Paused) -> str:
        reason = f" ({pause.why})" if pause.why else ""
        queued = self.queued.capitalize() or "An unknown number of changes queued"
        return (
            f"Consumers paused by {pause.who} on {pause.at.day} {pause.at:%b %Y, %H:%M:%S} "
            f"UTC{reason}. {queued}: resume the consumers on the operations page."
        )

    @property
    def _no_relay(self) -> bool:
        return self.relay == "" and bool(self.outbox and self.outbox.rows)

    @property
    def _no_consumer(self) -> bool:
        return self.consumers == 0 and any(lag.records for lag in self.lags or ())

    @property
    def _in_outbox(self) -> str:
        rows = self.outbox.rows if self.outbox else 0
        return f"{_count(rows, 'change')} in the outbox, the oldest for {self.outbox_seconds:.1f} s"

    @property
    def _in_kafka(self) -> str:
        records = sum(lag.records for lag in self.lags or ())
        return f"{_count(records, 'record')} in Kafka, the oldest for {self.kafka_seconds:.1f} s"

    @property
    def _in_transit(self) -> str:
        if not self.waiting:
            return ""
        oldest = max(self.outbox_seconds, self.kafka_seconds)
        return f"{_count(self.waiting, 'change')} in transit, the oldest for {oldest:.1f} s."

    @property
    def _changed_columns(self) -> str:
        for changed in self.columns or ():
            names, verb = changed.lacking, "lack"
            if not names:
                names, verb = changed.left_over, "still have"
            noun = "column" if len(names) == 1 else "columns"
            state = "Out of sync"
            if not changed.in_time:
                state, verb = "Not verified", f"may {verb}"
            return (
                f"{state}: documents of {changed.table} {verb} the {noun} {', '.join(names)}. "
                "Run `manage.py reconcile --repair`."
            )
        return ""

    @property
    def _out_of_sync(self) -> str:
        for table in self.tables or ():
            if not table.equal:
                counts = " or ".join(map(str, sorted(set(table.documents.values()))))
                return (
                    f"Out of sync: {table.table} has {_count(table.rows, 'row')}, its collections "
                    f"have {counts} documents. Run `manage.py reconcile --repair`."
                )
        if self.reconcile is not None and not self.reconcile.equal:
            return f"Out of sync at the last reconciliation: {self.reconcile.verdict}"
        return ""

    @property
    def _in_sync(self) -> str:
        rows = sum(table.rows for table in self.tables or ())
        return f"In sync: {_count(rows, 'row')} everywhere."

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON shape (docs/status.md)."""
        shape = {
            **asdict(self),
            "waiting": self.waiting,
            "healthy": self.healthy,
            "verdict": self.verdict,
        }
        if self.reconcile is not None:
            shape["reconcile"]["finished_at"] = self.reconcile.finished_at.isoformat()
        if self.paused is not None:
            shape["paused"]["at"] = self.paused.at.isoformat()
        for gap in shape["gaps"] or ():
            gap["at"] = gap["at"].isoformat()
        return shape


def outage_verdict(services: Sequence[str], queued: str, seconds: float = 0.0) -> str:
    """Return the verdict while services do not respond.

    `services` is empty if they are unknown, and `queued` is empty if no queue could be read.
    `seconds` is the duration of the outage.
    """
    names = " and ".join(services) or "a service"
    verb = "are" if len(services) > 1 else "is"
    state = f"unreachable for {seconds:.0f} s" if seconds >= 1 else f"{verb} not responding"
    changes = f"{queued.capitalize()}, none lost" if queued else "No saved change is lost"
    return f"{names[:1].upper()}{names[1:]} {state}. {changes}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
