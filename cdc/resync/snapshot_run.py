"""Runs snapshots of the captured models, with checkpoints and a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cdc.conf import cdc_settings
from cdc.mongo.client import connect
from cdc.mongo.reader import ReplicaReader
from cdc.outbox.throttle import OutboxLimit, RateLimit
from cdc.progress import Advance, Bar, Say, progress
from cdc.registry import Capture
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.dry_run import dry_run
from cdc.resync.orphans import Orphans
from cdc.resync.run_context import RunContext
from cdc.resync.selection import Selection
from cdc.resync.snapshot import Snapshot
from cdc.runtime.clock import SystemClock


class SnapshotRun:
    """Sends selections of rows, or counts the documents that sending them would change."""

    def __init__(
        self,
        say: Say,
        stopped: Callable[[], bool],
        *,
        using: str,
        task: str = "send_to_kafka",
        bar: Bar = progress,
    ) -> None:
        """`task` is the name of the checkpoints, and `bar` shows the progress."""
        self._task = task
        self._bar = bar
        self._say = say
        self._stopped = stopped
        self._using = using
        self.incomplete = ""
        """The reason why the run is incomplete; empty if it is complete."""
        self.interrupted = False
        """Whether `stopped` ended the run early."""

    def count(self, selections: Sequence[Selection]) -> list[str]:
        """Return the numbers of documents that would change, one line per collection."""
        lines = []
        for selection in selections:
            reader, orphans = self._replica(selection.capture)
            with self._progress("Counting", selection) as (_, advance):
                planned = dry_run(
                    selection, reader, orphans, advance, self._stopped, using=self._using
                )
            lines += [str(each) for each in planned]
        if self._stopped():
            self.interrupted = True
            self.incomplete = "Stopped before everything was counted."
        return lines

    def send(self, selections: Sequence[Selection], *, rate: float, restart: bool) -> list[str]:
        """Send the rows and return what was sent, one line per selection.

        Raise Retryable if a service is unavailable. With `restart`, or if the checkpoint of an
        earlier run is outdated, the run starts from the beginning.
        """
        lines = []
        for selection in selections:
            with self._progress("Sending", selection) as (say, advance):
                snapshot = self._snapshot(selection, rate, restart, say, advance)
                finished = snapshot.run()
            lines.append(f"{selection}: {snapshot.sent}")
            if not finished:
                self.interrupted = True
                self.incomplete = "Stopped: run again with the same arguments to resume."
                break
            if snapshot.sent.refused:
                self.incomplete = f"Refused rows: {snapshot.sent.refused}. Correct these rows."
        return lines

    def discard_checkpoints(self, selections: Sequence[Selection]) -> None:
        """Delete the checkpoints of these selections so that the run cannot be resumed."""
        for selection in selections:
            self._checkpoint(selection).remove()

    def _checkpoint(self, selection: Selection) -> CheckpointStore:
        arguments = {"table": selection.capture.table, "where": sorted(selection.conditions)}
        return CheckpointStore(self._task, arguments, using=self._using)

    def _snapshot(
        self, selection: Selection, rate: float, restart: bool, say: Say, advance: Advance
    ) -> Snapshot:
        clock = SystemClock()
        checkpoint = self._checkpoint(selection)
        if restart:
            checkpoint.remove()
        elif why := checkpoint.discard_outdated():
            say(f"{selection}: the stopped run is not resumed, because {why}.")
        _, orphans = self._replica(selection.capture)
        return Snapshot(
            selection,
            orphans,
            checkpoint,
            RunContext(clock=clock, say=say, advance=advance, stopped=self._stopped),
            [RateLimit(rate, clock), OutboxLimit(self._using, clock, say)],
            using=self._using,
        )

    def _replica(self, capture: Capture) -> tuple[ReplicaReader, Orphans]:
        settings = cdc_settings()
        reader = ReplicaReader(connect(settings), settings)
        return reader, Orphans(capture, reader, self._using)

    @contextmanager
    def _progress(self, label: str, selection: Selection) -> Iterator[tuple[Say, Advance]]:
        rows = selection.capture.model._meta.base_manager.using(self._using)
        total = rows.filter(selection.query).count()
        with self._bar(f"{label} {selection}", total, self._say) as functions:
            yield functions
