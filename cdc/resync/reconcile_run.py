"""Runs reconciliations of the captured models and stores the result."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Max

from cdc.conf import cdc_settings
from cdc.errors import Retryable
from cdc.models import ReconcileRun
from cdc.mongo.client import connect
from cdc.mongo.columns import DocumentColumns, Recorded
from cdc.mongo.positions import Positions
from cdc.mongo.reader import ReplicaReader
from cdc.mongo.replica_mark import ReplicaMark
from cdc.outbox.table import current_epoch
from cdc.printable import counted
from cdc.progress import Bar, Say, progress
from cdc.registry import Capture, registry
from cdc.resync.barrier import Barrier, WaitStopped
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison
from cdc.resync.discarded import discarded_letters, settle_discarded
from cdc.resync.orphans import Orphans
from cdc.resync.reconcile import Reconciliation
from cdc.resync.report import TableReport
from cdc.resync.run_context import RunContext
from cdc.runtime.clock import Clock, SystemClock

_NEW_EPOCH = (
    "A new epoch began during the comparison, so the result is not valid: run the command again. "
    "A job runs again by itself."
)
_ANOTHER_RUN = (
    "Another reconciliation has found differences that this one may have missed: run the command "
    "again. A job runs again by itself."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished reconciliation."""

    finished_at: datetime
    seconds: float
    """The duration in this process only; a resumed run took longer in total."""
    repair: bool
    tables: tuple[TableReport, ...]

    @property
    def different(self) -> int:
        """The number of documents that differed."""
        return sum(table.different for table in self.tables)

    @property
    def equal(self) -> bool:
        """Whether no difference remains."""
        if self.repair:
            return not any(table.unrepaired for table in self.tables)
        return not self.different

    @property
    def verdict(self) -> str:
        """One sentence with the findings and the remedy."""
        rows = counted(sum(table.rows for table in self.tables), "row")
        if not self.different:
            return f"{rows} compared: every document matches its row."
        if self.repair:
            repaired = counted(sum(table.repaired for table in self.tables), "key")
            left = sum(table.unrepaired for table in self.tables)
            verb = "differs" if left == 1 else "differ"
            done = f"{rows} compared, {repaired} repaired"
            if not left:
                return f"{done}: no differences remain."
            return (
                f"{done}: {left} still {verb}. See `manage.py dead_letters list`, then run "
                "`manage.py reconcile --repair` again."
            )
        documents = counted(self.different, "document")
        verb = "differs" if self.different == 1 else "differ"
        return f"{rows} compared, {documents} {verb}: run `manage.py reconcile --repair`."

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON-compatible data, in the documented shape."""
        return {
            "finished_at": self.finished_at.isoformat(),
            "seconds": round(self.seconds, 1),
            "repair": self.repair,
            "equal": self.equal,
            "different": self.different,
            "verdict": self.verdict,
            "tables": [table.as_json() for table in self.tables],
        }

    def lines(self) -> list[str]:
        """Return the result as text, the verdict last."""
        return [line for table in self.tables for line in table.lines()] + [self.verdict]


class Reconciler:
    """Compares every captured table with its collections."""

    def __init__(
        self,
        say: Say,
        stopped: Callable[[], bool],
        *,
        repair: bool,
        using: str,
        clock: Clock | None = None,
        task: str = "reconcile",
        bar: Bar = progress,
    ) -> None:
        """`task` is the name of the checkpoints, and `bar` shows the progress."""
        self._task = task
        self._bar = bar
        self._say = say
        self._stopped = stopped
        self._repair = repair
        self._using = using
        self._last_run: int | None = None
        self._clock = clock or SystemClock()
        settings = self._settings = cdc_settings()
        topics = sorted({capture.topic for capture in registry})
        self._barrier = Barrier(settings, topics, self._clock, using=using, stopped=stopped)
        client = connect(settings)
        self._reader = ReplicaReader(client, settings)
        self._positions = Positions(client, settings)
        self._columns = DocumentColumns(client, settings)
        self._mark = ReplicaMark(client, settings, self._clock)

    def run(self, *, restart: bool) -> Result | None:
        """Compare, repair if requested, and store the result; return None if the run was stopped.

        Raise Retryable if a service is unavailable, if a new epoch begins during the run, or if
        another run finds differences that this run has not found.

        The run resumes at the checkpoint of an earlier run, unless the earlier comparisons may be
        wrong by now; with `restart`, the run starts from the beginning.
        """
        with suppress(WaitStopped):
            return self._run(restart)
        return None

    def _run(self, restart: bool) -> Result | None:
        began = self._clock.monotonic()
        epoch = current_epoch(using=self._using)
        # Kafka may still contain changes that a restored database has lost. If they were applied
        # after their rows had been compared, documents would differ again.
        self._barrier.wait()
        self._refuse_after_new_epoch(epoch)
        self._last_run = _last_run(self._using)
        if restart:
            self.discard_checkpoints()
        else:
            self._discard_outdated()
        # A resumed run closes no gaps: a gap may contain changes of rows that the run compared
        # before the gap was found. The same is true for discarded dead letters.
        resumed = any(self._checkpoint(each).load() for each in registry)
        gaps = () if resumed else self._positions.gaps()
        discarded = () if resumed else discarded_letters(using=self._using)
        columns = {} if resumed else self._recorded_columns()
        tables = []
        for capture in registry:
            report = self._table(capture)
            if report is None:
                return None
            tables.append(report)
        self._refuse_after_new_epoch(epoch)
        result = Result(
            finished_at=datetime.fromtimestamp(self._clock.time(), tz=UTC),
            seconds=self._clock.monotonic() - began,
            repair=self._repair,
            tables=tuple(tables),
        )
        if result.equal:
            self._refuse_if_another_differed()
            self._positions.close_gaps(gaps)
            self._remember_columns(columns)
            settle_discarded(discarded, using=self._using)
        ReconcileRun.objects.using(self._using).create(
            finished_at=result.finished_at,
            equal=result.equal,
            result=json.dumps(result.as_json()),
        )
        return result

    def _refuse_after_new_epoch(self, epoch: int | None) -> None:
        if current_epoch(using=self._using) != epoch:
            raise Retryable(_NEW_EPOCH)

    def _refuse_if_another_differed(self) -> None:
        """Raise Retryable if another run has finished meanwhile and left a difference.

        The difference may be newer than the comparisons of this run.
        """
        others = ReconcileRun.objects.using(self._using).filter(id__gt=self._last_run or 0)
        if others.filter(equal=False).exists():
            raise Retryable(_ANOTHER_RUN)

    def _recorded_columns(self) -> Mapping[Capture, Recorded]:
        return {capture: self._columns.recorded(capture.table) for capture in registry}

    def _remember_columns(self, before: Mapping[Capture, Recorded]) -> None:
        for capture, recorded in before.items():
            self._columns.remember(capture.table, capture.columns, recorded)

    def discard_checkpoints(self) -> None:
        """Delete the checkpoints so that no stopped run can be resumed."""
        for capture in registry:
            self._checkpoint(capture).remove()

    def _checkpoint(self, capture: Capture) -> CheckpointStore:
        arguments = {
            "table": capture.table,
            "collections": capture.collections,
            "repair": self._repair,
            "group": self._settings.group,
            "mongodb_database": self._settings.mongodb_database,
        }
        return CheckpointStore(
            self._task, arguments, using=self._using, last_run=self._last_run, mark=self._mark
        )

    def _discard_outdated(self) -> None:
        for capture in registry:
            if why := self._checkpoint(capture).discard_outdated():
                self._say(f"{capture.table}: the stopped run is not resumed, because {why}.")

    def _table(self, capture: Capture) -> TableReport | None:
        checkpoint = self._checkpoint(capture)
        total = capture.model._meta.base_manager.using(self._using).count()
        with self._bar(f"Comparing {capture.table}", total, self._say) as (say, advance):
            reconciliation = Reconciliation(
                capture,
                Comparison(capture, self._reader, self._barrier.wait, using=self._using),
                Orphans(capture, self._reader, self._using),
                checkpoint,
                RunContext(clock=self._clock, say=say, advance=advance, stopped=self._stopped),
                repair=self._repair,
                using=self._using,
            )
            return reconciliation.report if reconciliation.run() else None


def _last_run(using: str) -> int | None:
    """Return the id of the newest finished reconciliation."""
    found: int | None = ReconcileRun.objects.using(using).aggregate(value=Max("id"))["value"]
    return found
