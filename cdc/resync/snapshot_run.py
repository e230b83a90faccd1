"""Snapshots of the captured models, put together from their parts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cdc.conf import cdc_settings
from cdc.errors import Misconfigured
from cdc.mongo.client import connect
from cdc.mongo.reader import ReplicaReader
from cdc.outbox.throttle import OutboxLimit, RateLimit
from cdc.progress import Advance, Bar, Say, progress
from cdc.registry import Capture, registry
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.dry_run import forecast
from cdc.resync.orphans import Leftovers
from cdc.resync.selection import Selection
from cdc.resync.snapshot import Snapshot, Tools
from cdc.runtime.loop import SystemClock


class InitialLoad:
    """Sends selections of rows, or counts what that would do."""

    def __init__(
        self,
        say: Say,
        stopped: Callable[[], bool],
        *,
        using: str,
        work: str = "send_to_kafka",
        bar: Bar = progress,
    ) -> None:
        """`work` names the checkpoints, `bar` shows the progress."""
        self._work = work
        self._bar = bar
        self._say = say
        self._stopped = stopped
        self._using = using
        self.incomplete = ""
        """Why not everything was sent; empty when it was."""
        self.left_off = False
        """Whether that is because it was stopped."""

    def selections(self, model: str | None, where: Sequence[str]) -> list[Selection]:
        """Return the rows that are meant, by captured model; raises Misconfigured."""
        captures = [capture for capture in registry if model in {None, capture.model._meta.label}]
        if not captures:
            known = ", ".join(capture.model._meta.label for capture in registry)
            raise Misconfigured(
                f"--model is {model!r}, which is not captured: give one of {known}."
            )
        if where and len(captures) > 1:
            raise Misconfigured("--where needs --model: several models are captured.")
        return [Selection(capture=capture, conditions=tuple(where)) for capture in captures]

    def count(self, selections: Sequence[Selection]) -> list[str]:
        """Return what sending them would do, a line for each collection."""
        lines = []
        for selection in selections:
            reader, leftovers = self._replica(selection.capture)
            with self._progress("Counting", selection) as (_, advance):
                counted = forecast(
                    selection, reader, leftovers, advance, self._stopped, using=self._using
                )
            lines += [str(each) for each in counted]
        if self._stopped():
            self.left_off = True
            self.incomplete = "Stopped before everything was counted."
        return lines

    def send(self, selections: Sequence[Selection], *, rate: float, anew: bool) -> list[str]:
        """Send them and return what was sent, a line for each; raises Retryable."""
        lines = []
        for selection in selections:
            with self._progress("Sending", selection) as (say, advance):
                snapshot = self._snapshot(selection, rate, anew, say, advance)
                finished = snapshot.run()
            lines.append(f"{selection}: {snapshot.sent}")
            if not finished:
                self.left_off = True
                self.incomplete = "Stopped: start it again with the same arguments to go on."
                break
            if snapshot.sent.refused:
                self.incomplete = f"{snapshot.sent.refused} rows were refused: correct them."
        return lines

    def forget(self, selections: Sequence[Selection]) -> None:
        """Drop the checkpoints of these: nobody goes on with them."""
        for selection in selections:
            self._checkpoint(selection).remove()

    def _checkpoint(self, selection: Selection) -> CheckpointStore:
        arguments = {"table": selection.capture.table, "where": sorted(selection.conditions)}
        return CheckpointStore(self._work, arguments, using=self._using)

    def _snapshot(
        self, selection: Selection, rate: float, anew: bool, say: Say, advance: Advance
    ) -> Snapshot:
        clock = SystemClock()
        checkpoint = self._checkpoint(selection)
        if anew:
            checkpoint.remove()
        tools = Tools(
            room=OutboxLimit(self._using, clock, say),
            pace=RateLimit(rate, clock),
            clock=clock,
            say=say,
            advance=advance,
            stopped=self._stopped,
        )
        _, leftovers = self._replica(selection.capture)
        return Snapshot(selection, leftovers, checkpoint, tools, using=self._using)

    def _replica(self, capture: Capture) -> tuple[ReplicaReader, Leftovers]:
        settings = cdc_settings()
        reader = ReplicaReader(connect(settings), settings)
        return reader, Leftovers(capture, reader, self._using)

    @contextmanager
    def _progress(self, label: str, selection: Selection) -> Iterator[tuple[Say, Advance]]:
        rows = selection.capture.model._meta.base_manager.using(self._using)
        total = rows.filter(selection.query).count()
        with self._bar(f"{label} {selection}", total, self._say) as functions:
            yield functions
