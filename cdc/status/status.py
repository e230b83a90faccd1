"""The state of the feed: what waits where, and one sentence of verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cdc.outbox.table import Depth
from cdc.status.latency import Delays

PATIENCE_SECONDS = 10.0
"""A change that is under way for longer is not just passing."""
CANARY_SECONDS = 30.0
"""Three canaries' time: one that has not come back by then is lost or late."""
_ALL_WELL = "Nothing waits: table and collections hold the same number of rows."


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """What one partition holds that the replica has not applied."""

    topic: str
    partition: int
    records: int
    """Offsets between the replica's position and the partition's end."""
    seconds: float
    """Age of the first record that is not applied; 0 when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCount:
    """How many rows a table has, and how many documents each of its collections."""

    table: str
    rows: int
    documents: Mapping[str, int]

    @property
    def equal(self) -> bool:
        """Return whether all counts are one."""
        return all(count == self.rows for count in self.documents.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReconcile:
    """How the last reconciliation ended."""

    finished_at: datetime
    seconds_ago: float
    equal: bool
    """Whether no difference was left."""
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """That the group's consumers were told to hold still."""

    who: str
    """A login name, or the actor."""
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How the record went that is sent through the whole feed every ten seconds."""

    sent_seconds_ago: float
    arrived_seconds_ago: float | None
    """Of the last one that came back; None when none ever did."""
    seconds: float | None
    """How long that one took, from its save to its being seen in the replica."""

    @property
    def late(self) -> bool:
        """Return whether canaries are sent and do not come back."""
        arrived = self.arrived_seconds_ago
        return not self.silent and (arrived is None or arrived > CANARY_SECONDS)

    @property
    def silent(self) -> bool:
        """Return whether nobody sends any more."""
        return self.sent_seconds_ago > CANARY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What could be read; None stands for what could not, `problems` says why."""

    outbox: Depth | None
    outbox_seconds: float
    """Age of the oldest waiting row; 0 when none waits."""
    lags: tuple[PartitionLag, ...] | None
    tables: tuple[TableCount, ...] | None
    dead_letters: int | None
    """Those that wait for a decision."""
    counters: Mapping[str, int] | None
    """What was absorbed since the database was made, by name."""
    problems: tuple[str, ...]
    relay: str | None = None
    """Who holds the right to publish; empty when nobody does."""
    consumers: int | None = None
    """Processes in the consumer group."""
    delays: Delays | None = None
    last_error: str = ""
    """Why the newest dead letter that waits became one."""
    reconcile: LastReconcile | None = None
    """None when there was no reconciliation yet."""
    paused: Paused | None = None
    """None when the consumers may work."""
    canary: Canary | None = None
    """None when none was ever sent."""
    in_kafka: int | None = None
    """Records behind what the group committed in Kafka, read only while MongoDB is away."""

    @property
    def waiting(self) -> int:
        """Return the changes that are on their way."""
        rows = self.outbox.rows if self.outbox else 0
        return rows + sum(lag.records for lag in self.lags or ())

    @property
    def healthy(self) -> bool:
        """Return whether everything answers and works, and nothing differs that is not coming."""
        equal = all(table.equal for table in self.tables or ())
        reconciled = self.reconcile is None or self.reconcile.equal
        stuck = self.problems or self.paused or self._no_relay or self._no_consumer
        return not stuck and reconciled and (equal or self.waiting > 0)

    @property
    def verdict(self) -> str:
        """Return how the copy stands, why, and what to do, in a sentence; one more for letters."""
        return self._stand + self._letters

    @property
    def _letters(self) -> str:
        if not self.dead_letters:
            return ""
        wait = "dead letter waits" if self.dead_letters == 1 else "dead letters wait"
        return (
            f" {self.dead_letters} {wait} for a decision: see /operations/dead_letters/ or "
            "`manage.py dead_letters list`."
        )

    @property
    def _stand(self) -> str:
        if self.problems:
            waiting = f" {self.known_waiting.capitalize()}." if self.known_waiting else ""
            return f"The state is not known in full: {self.problems[0]}{waiting}"
        return self._held_up or self._under_way or self._differing or _ALL_WELL

    @property
    def _held_up(self) -> str:
        """Return who does not do his part; empty when all do."""
        if self.paused:
            return self._pause
        if self._no_relay:
            return f"{self._in_outbox} and nobody publishes: start `manage.py relay_outbox`."
        if self.outbox_seconds > PATIENCE_SECONDS:
            return f"{self._in_outbox}: see what the relay {self.relay} writes in its log."
        if self._no_consumer:
            return (
                f"{self._in_kafka} and nobody applies them: "
                "start `manage.py consume_and_save_to_mongodb`."
            )
        if any(lag.seconds > PATIENCE_SECONDS for lag in self.lags or ()):
            catching = _count(self.consumers or 0, "consumer catches", "consumers catch")
            return (
                f"{self._in_kafka}: {catching} up, or cannot go on; "
                "see their logs, or start more of them, up to one for each partition."
            )
        return ""

    @property
    def known_waiting(self) -> str:
        """Return what waits as words, `at least` when not everything that may wait was seen."""
        if self.outbox is None and self.lags is None and self.in_kafka is None:
            return ""
        whole = self.outbox is not None and (self.lags is not None or self.in_kafka is not None)
        count = self.waiting + (0 if self.lags is not None else self.in_kafka or 0)
        return f"{'' if whole else 'at least '}{_count(count, 'change waits', 'changes wait')}"

    @property
    def _pause(self) -> str:
        if self.paused is None:
            return ""
        why = f" ({self.paused.why})" if self.paused.why else ""
        at = f"{self.paused.at.day} {self.paused.at:%b %Y, %H:%M:%S}"
        return (
            f"The consumers were paused by {self.paused.who} at {at} UTC{why}: "
            f"{self.known_waiting or 'what waits is not known'}; resume them on the page "
            "/operations/."
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
        waiting = _count(rows, "change waits", "changes wait")
        return f"{waiting} in the outbox, the oldest for {self.outbox_seconds:.1f} s"

    @property
    def _in_kafka(self) -> str:
        lags = self.lags or ()
        oldest = max((lag.seconds for lag in lags), default=0.0)
        waiting = _count(sum(lag.records for lag in lags), "record waits", "records wait")
        return f"{waiting} in Kafka, the oldest for {oldest:.1f} s"

    @property
    def _under_way(self) -> str:
        if not self.waiting:
            return ""
        oldest = max([self.outbox_seconds, *(lag.seconds for lag in self.lags or ())])
        waiting = _count(self.waiting, "change is on its way", "changes are on their way")
        return f"{waiting}, the oldest for {oldest:.1f} s."

    @property
    def _differing(self) -> str:
        for table in self.tables or ():
            if not table.equal:
                counts = " or ".join(map(str, sorted(set(table.documents.values()))))
                return (
                    f"Nothing waits, but {table.table} has {table.rows} rows and the copy "
                    f"{counts} documents: "
                    "find and mend the difference by `manage.py reconcile --repair`."
                )
        if self.reconcile is not None and not self.reconcile.equal:
            return f"Nothing waits, but when last compared: {self.reconcile.verdict}"
        return ""

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
        return shape


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
