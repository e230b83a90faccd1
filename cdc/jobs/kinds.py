"""The kinds of jobs: snapshots and reconciliations, and the kinds that a project registers.

A snapshot or a reconciliation runs the same code as the command.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from django.db import DEFAULT_DB_ALIAS

from cdc.errors import Misconfigured
from cdc.jobs.runner import JobContext, JobFunction
from cdc.resync.reconcile_run import Reconciler
from cdc.resync.selection import selections
from cdc.resync.snapshot_run import SnapshotRun

COUNT, SNAPSHOT, RECONCILE, REPAIR = "count", "snapshot", "reconcile", "repair"
_LONGEST_NAME = 32
"""The length of the column `kind`."""
_STOPS = "The job stops after the current chunk of rows."
_STOPS_SENDING = (
    f"{_STOPS} Events that were already sent are harmless: each contains a state that its row "
    "really had."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """A kind of job."""

    name: str
    """The name in the job table and in the operator log; at most 32 characters."""
    label: str
    """The name on the pages."""
    run: JobFunction
    on_cancel: str
    """The effect of a cancellation, in one or two sentences, for the page that cancels a job."""

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= _LONGEST_NAME:
            raise Misconfigured(
                f"The kind of job {self.name!r} has {len(self.name)} characters: use 1 to "
                f"{_LONGEST_NAME}."
            )


def count(context: JobContext) -> list[str] | None:
    """Count the documents that a snapshot would change, without sending anything."""
    run = _snapshot_run(context)
    lines = run.count(selections(context.arguments["model"], context.arguments["where"]))
    return None if run.interrupted else lines


def snapshot(context: JobContext) -> list[str] | None:
    """Send the rows that the job's arguments select."""
    run = _snapshot_run(context)
    selected = selections(context.arguments["model"], context.arguments["where"])
    with _discarding(context, partial(run.discard_checkpoints, selected)):
        lines = run.send(selected, rate=context.arguments.get("rate", 0), restart=False)
    if run.interrupted:
        return None
    return [*lines, run.incomplete] if run.incomplete else lines


def reconcile(context: JobContext) -> list[str] | None:
    """Compare the database with the replica."""
    return _reconcile(context, repair=False)


def repair(context: JobContext) -> list[str] | None:
    """Compare the database with the replica, and resend the rows that differ."""
    return _reconcile(context, repair=True)


KINDS: dict[str, JobKind] = {
    name: JobKind(name=name, label=label, run=run, on_cancel=on_cancel)
    for name, label, run, on_cancel in (
        (COUNT, "Dry run of a snapshot", count, _STOPS),
        (SNAPSHOT, "Snapshot", snapshot, _STOPS_SENDING),
        (RECONCILE, "Reconciliation", reconcile, _STOPS),
        (REPAIR, "Reconciliation with repair", repair, _STOPS_SENDING),
    )
}
"""All kinds of jobs by name."""


def register_job(kind: JobKind) -> None:
    """Add a kind of job; call it in the `cdc.py` of an app.

    Raise Misconfigured if another kind has this name.
    """
    if KINDS.setdefault(kind.name, kind) != kind:
        raise Misconfigured(f"Two kinds of jobs have the name {kind.name!r}: rename one.")


def _snapshot_run(context: JobContext) -> SnapshotRun:
    task = f"job {context.job.pk}"
    return SnapshotRun(
        context.say, context.stopped, using=DEFAULT_DB_ALIAS, task=task, bar=context.bar
    )


def _reconcile(context: JobContext, *, repair: bool) -> list[str] | None:
    reconciler = Reconciler(
        context.say,
        context.stopped,
        repair=repair,
        using=DEFAULT_DB_ALIAS,
        task=_checkpoint_name(context),
        bar=context.bar,
    )
    with _discarding(context, reconciler.discard_checkpoints):
        result = reconciler.run(restart=False)
    return None if result is None else result.lines()


@contextmanager
def _discarding(context: JobContext, discard: Callable[[], None]) -> Iterator[None]:
    """Delete the checkpoints of the job if it was cancelled, even if a service is unavailable."""
    try:
        yield
    finally:
        if context.cancelled:
            discard()


def _checkpoint_name(context: JobContext) -> str:
    # The name differs from the name of a command, because a command with equal arguments must not
    # resume at the checkpoint of a job.
    return f"job {context.job.pk}"
