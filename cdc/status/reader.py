"""Reads the state of the pipeline from the database, Kafka and MongoDB."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS, Error
from django.db.models import Count, Min, QuerySet

from cdc.canary.models import CanaryTrip
from cdc.conf import CdcSettings
from cdc.consumer.pause import current_pause
from cdc.errors import Retryable
from cdc.kafka.groups import Groups
from cdc.models import DeadLetter, DeadLetterStatus, ReconcileRun
from cdc.mongo.client import connect
from cdc.mongo.columns import DocumentColumns
from cdc.mongo.positions import Positions
from cdc.mongo.reader import ReplicaReader
from cdc.operator_log import people
from cdc.outbox import table as outbox
from cdc.outbox.other_databases import OtherDatabases
from cdc.outbox.queue import OutboxQueue
from cdc.printable import printable
from cdc.registry import Capture
from cdc.runtime import counters
from cdc.runtime.database import database_problem
from cdc.status.ages import OutboxAge, age
from cdc.status.facts import (
    CanaryStatus,
    ChangedColumns,
    LastReconcile,
    OpenGap,
    PartitionLag,
    Paused,
    TableCount,
)
from cdc.status.lags import Lags
from cdc.status.latency import MINUTES, MOST_CHANGES, Delays, delays_of
from cdc.status.troubles import troubles
from cdc.status.unverified import discarded, unverified
from cdc.status.verdict import Status

_LONGEST_REASON = 300
_SILENT_SECONDS = 0.5
"""A service that takes longer than this to fail is not asked again for the same status."""
_DATABASE = "the database"
_SERVICES = (_DATABASE, "Kafka", "MongoDB")
T = TypeVar("T")


class StatusReader:
    """Reads the database, Kafka and MongoDB; any of them may be unreachable."""

    def __init__(self, settings: CdcSettings, captures: Iterable[Capture]) -> None:
        self._captures = list(captures)
        self._group = settings.group
        self._groups = Groups(settings)
        self._lags = Lags(settings, self._captures)
        self._outbox_age = OutboxAge(DEFAULT_DB_ALIAS)
        self._others = OtherDatabases()
        client = connect(settings)
        self._replica = ReplicaReader(client, settings)
        self._positions = Positions(client, settings)
        self._columns = DocumentColumns(client, settings)

    def read(self) -> Status:
        """Return the current state; `unreachable` names the services that do not respond."""
        reads = _Reads()
        database, kafka, mongodb = (partial(reads.attempt, name) for name in _SERVICES)
        # Read the queues before the counts: a change that is missing from the counts was in a queue
        # when the queues were read, or was captured later (see `_moved`).
        depth = database(lambda: outbox.depth(using=DEFAULT_DB_ALIAS))
        outbox_age = partial(self._outbox_age.seconds, depth.oldest_ms if depth else None)
        outbox_seconds = database(outbox_age) if depth else 0.0
        positions = mongodb(self._positions.stored)
        since, report = self._outbox_age.captured_since_ms, partial(reads.report, "Kafka")
        read_lags = partial(self._lags.read, positions or {}, report, since)
        lags = None if positions is None else kafka(read_lags)
        tables = mongodb(self._tables) if depth else None
        moved = None
        if depth and lags is not None and not all(table.equal for table in tables or ()):
            moved = kafka(partial(self._moved, lags))
        letters = database(_waiting_letters)
        return Status(
            outbox=depth,
            outbox_seconds=outbox_seconds or 0.0,
            lags=lags,
            missing_topics=() if lags is None else self._lags.missing,
            abandoned_topics=() if lags is None else self._lags.abandoned,
            moved=moved or 0,
            in_kafka=kafka(self._lags.after_commits) if positions is None else None,
            paused=database(lambda: _paused(self._group)),
            tables=tables,
            dead_letters=letters.number if letters else None,
            dead_letters_since=letters.since if letters else None,
            troubles=database(troubles),
            last_error=database(_last_error),
            counters=database(lambda: counters.totals(DEFAULT_DB_ALIAS)),
            relay=database(lambda: OutboxQueue(DEFAULT_DB_ALIAS).publisher()),
            consumers=kafka(lambda: self._groups.members(self._group)),
            delays=mongodb(self._delays),
            reconcile=database(_last_reconcile),
            unverified=database(unverified),
            discarded=database(discarded),
            canary=database(_canary),
            gaps=mongodb(self._gaps),
            other_outboxes=self._others.outboxes(),
            columns=mongodb(self._changed_columns),
            problems=tuple(dict.fromkeys(reads.problems)),
            unreachable=tuple(name for name in _SERVICES if name in reads.unreachable),
        )

    def _moved(self, lags: Iterable[PartitionLag]) -> int:
        """Return an upper bound of the changes captured or published since the queues were read.

        All rows of the outbox count. The outbox is read first, because a change that leaves the
        outbox between the two reads is then counted twice instead of being overlooked.
        """
        captured = outbox.depth(using=DEFAULT_DB_ALIAS).rows
        return captured + self._lags.published_since(lags)

    def _gaps(self) -> tuple[OpenGap, ...]:
        return tuple(
            OpenGap(
                topic=gap.source.topic,
                partition=gap.source.partition,
                lost_from=gap.lost_from,
                resumed_at=gap.resumed_at,
                at=gap.at,
            )
            for gap in self._positions.gaps()
        )

    def _changed_columns(self) -> tuple[ChangedColumns, ...]:
        found = []
        for capture in self._captures:
            unlike = self._columns.unlike(capture.table, capture.columns, capture.collections)
            if unlike.lacking or unlike.left_over:
                changed = ChangedColumns(
                    table=capture.table,
                    lacking=unlike.lacking,
                    left_over=unlike.left_over,
                    in_time=unlike.in_time,
                )
                found.append(changed)
        return tuple(found)

    def _delays(self) -> Delays:
        since = datetime.now(tz=UTC) - timedelta(minutes=MINUTES)
        return delays_of(self._replica.delays(since, MOST_CHANGES))

    def _tables(self) -> tuple[TableCount, ...]:
        return tuple(map(self._table, self._captures))

    def _table(self, capture: Capture) -> TableCount:
        documents = self._replica.counts(capture.collections)
        return TableCount(
            table=capture.table,
            documents=documents,
            uncounted=tuple(name for name in capture.collections if name not in documents),
            rows=QuerySet(model=capture.model).count(),
        )


class _Reads:
    """Collects the problems that occur while reading.

    Each read of a service that does not respond waits for a timeout. One such wait is enough.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.unreachable: set[str] = set()
        self._silent: set[str] = set()

    def attempt(self, service: str, read: Callable[[], T]) -> T | None:
        """Return the result of `read`, or None if `service` or the database does not respond."""
        if service in self._silent:
            return None
        began = time.monotonic()
        try:
            return read()
        except Retryable as error:
            self._failed(service, str(error), began)
        except Error as error:
            self._failed(_DATABASE, database_problem(error), began)
        return None

    def report(self, service: str, error: Retryable) -> None:
        """Add the problem of a service that returned only a part of the requested data."""
        self.problems.append(str(error))
        self.unreachable.add(service)

    def _failed(self, service: str, problem: str, began: float) -> None:
        self.problems.append(problem)
        self.unreachable.add(service)
        if time.monotonic() - began > _SILENT_SECONDS:
            self._silent.add(service)


@dataclass(frozen=True, slots=True)
class _Letters:
    number: int
    since: datetime | None


def _waiting_letters() -> _Letters:
    waiting = DeadLetter.objects.filter(status=DeadLetterStatus.WAITING)
    found = waiting.aggregate(number=Count("id"), since=Min("created_at"))
    return _Letters(found["number"], found["since"])


def _last_error() -> str:
    letters = DeadLetter.objects.filter(status=DeadLetterStatus.WAITING)
    reason = letters.order_by("-id").values_list("reason", flat=True).first()
    return printable(reason, _LONGEST_REASON)


def _paused(group: str) -> Paused | None:
    found = current_pause(group, using=DEFAULT_DB_ALIAS)
    if found is None:
        return None
    name = people({found.who}).get(found.who, found.who)
    return Paused(
        who=printable(name, _LONGEST_REASON), at=found.at, why=printable(found.why, _LONGEST_REASON)
    )


def _canary() -> CanaryStatus | None:
    trip = CanaryTrip.objects.first()
    if trip is None:
        return None
    return CanaryStatus(
        sent_seconds_ago=_seconds_since(trip.sent_at),
        started_seconds_ago=_seconds_since(trip.started_at or trip.sent_at),
        arrived_seconds_ago=_seconds_since(trip.arrived_at) if trip.arrived_at else None,
        seconds=None if trip.seconds is None else round(trip.seconds, 4),
    )


def _last_reconcile() -> LastReconcile | None:
    run = ReconcileRun.objects.order_by("-id").first()
    if run is None:
        return None
    return LastReconcile(
        finished_at=run.finished_at,
        seconds_ago=_seconds_since(run.finished_at),
        equal=run.equal,
        verdict=json.loads(run.result)["verdict"],
    )


def _seconds_since(moment: datetime) -> float:
    return age(int(moment.timestamp() * 1000))
