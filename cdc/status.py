"""The state of the feed: what waits where, and one sentence of verdict."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, Error
from django.db.models import QuerySet

from cdc import counters, outbox
from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.topics import Topics, Watermarks
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions
from cdc.mongo.reader import ReplicaReader
from cdc.outbox import Depth
from cdc.record import TopicPartition
from cdc.registry import Capture

T = TypeVar("T")


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

    @property
    def waiting(self) -> int:
        """Return the changes that are on their way."""
        rows = self.outbox.rows if self.outbox else 0
        return rows + sum(lag.records for lag in self.lags or ())

    @property
    def healthy(self) -> bool:
        """Return whether everything answers, and nothing differs that is not on its way."""
        equal = all(table.equal for table in self.tables or ())
        return not self.problems and (equal or self.waiting > 0)

    @property
    def verdict(self) -> str:
        """Return how the copy stands, why, and what to do, in a sentence; one more for letters."""
        return self._stand + self._letters

    @property
    def _letters(self) -> str:
        if not self.dead_letters:
            return ""
        wait = "dead letter waits" if self.dead_letters == 1 else "dead letters wait"
        return f" {self.dead_letters} {wait} for a decision: see `manage.py dead_letters list`."

    @property
    def _stand(self) -> str:
        if self.problems:
            return f"The state is not known in full: {self.problems[0]}"
        if self.waiting:
            oldest = max([self.outbox_seconds, *(lag.seconds for lag in self.lags or ())])
            return f"{self.waiting} changes are on their way, the oldest for {oldest:.1f} s."
        for table in self.tables or ():
            if not table.equal:
                return (
                    f"Nothing waits, but {table.table} has {table.rows} rows and the copy "
                    f"{sorted(set(table.documents.values()))} documents: "
                    "send the rows again by `manage.py send_to_kafka`."
                )
        return "Nothing waits: table and collections hold the same number of rows."

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON shape."""
        return {
            **asdict(self),
            "waiting": self.waiting,
            "healthy": self.healthy,
            "verdict": self.verdict,
        }


class StatusReader:
    """Reads the state from the three services, each by itself."""

    def __init__(self, settings: CdcSettings, captures: Iterable[Capture]) -> None:
        self._captures = list(captures)
        self._topics = Topics(settings)
        self._watermarks = Watermarks(settings)
        client = connect(settings)
        self._replica = ReplicaReader(client, settings)
        self._positions = Positions(client, settings)

    def read(self) -> Status:
        """Return the state now; a service that does not answer is a problem, not an error."""
        problems: list[str] = []
        depth = _attempt(lambda: outbox.depth(using=DEFAULT_DB_ALIAS), problems)
        return Status(
            outbox=depth,
            outbox_seconds=_age(depth.oldest_ms) if depth else 0.0,
            lags=_attempt(self._lags, problems),
            tables=_attempt(self._tables, problems),
            dead_letters=_attempt(_waiting_letters, problems),
            counters=_attempt(lambda: counters.totals(DEFAULT_DB_ALIAS), problems),
            problems=tuple(dict.fromkeys(problems)),
        )

    def _lags(self) -> tuple[PartitionLag, ...]:
        positions = self._positions.all()
        topics = sorted({capture.topic for capture in self._captures})
        return tuple(
            self._lag(TopicPartition(topic, number), positions)
            for topic in topics
            for number in self._topics.partitions(topic)
        )

    def _lag(self, source: TopicPartition, positions: Mapping[TopicPartition, int]) -> PartitionLag:
        first, end = self._watermarks.of(source)
        position = max(positions.get(source, first), first)
        waits = end > position
        oldest = self._watermarks.timestamp_ms(source, position) if waits else None
        return PartitionLag(
            topic=source.topic,
            partition=source.partition,
            records=max(end - position, 0),
            seconds=_age(oldest),
        )

    def _tables(self) -> tuple[TableCount, ...]:
        return tuple(
            TableCount(
                table=capture.table,
                documents=self._replica.counts(capture.collections),
                rows=QuerySet(model=capture.model).count(),
            )
            for capture in self._captures
        )


def _attempt(read: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return read()
    except Retryable as error:
        problems.append(str(error))
    except Error as error:
        problems.append(f"The database did not answer ({error}): see that it is up and migrated.")
    return None


def _waiting_letters() -> int:
    return DeadLetter.objects.filter(status=DeadLetterStatus.WAITING).count()


def _age(since_ms: int | None) -> float:
    return 0.0 if since_ms is None else round(max(time.time() - since_ms / 1000, 0.0), 3)
