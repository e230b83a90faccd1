"""The kinds of jobs: snapshots and reconciliations, run by the same code as the commands."""

from collections.abc import Mapping

from django.db import DEFAULT_DB_ALIAS

from cdc.jobs.runner import JobContext, JobFunction
from cdc.resync.reconcile_run import Reconciler
from cdc.resync.selection import selections
from cdc.resync.snapshot_run import SnapshotRun

COUNT, SNAPSHOT, RECONCILE, REPAIR = "count", "snapshot", "reconcile", "repair"


def count(context: JobContext) -> list[str] | None:
    """Count the documents that a snapshot would change, without sending anything."""
    run = _snapshot_run(context)
    lines = run.count(selections(context.arguments["model"], context.arguments["where"]))
    return None if run.interrupted else lines


def snapshot(context: JobContext) -> list[str] | None:
    """Send the rows that the job's arguments select."""
    run = _snapshot_run(context)
    selected = selections(context.arguments["model"], context.arguments["where"])
    lines = run.send(selected, rate=context.arguments.get("rate", 0), restart=False)
    if not run.interrupted:
        return [*lines, run.incomplete] if run.incomplete else lines
    if context.cancelled:
        run.discard_checkpoints(selected)
    return None


def reconcile(context: JobContext) -> list[str] | None:
    """Compare the database with the replica."""
    return _reconcile(context, repair=False)


def repair(context: JobContext) -> list[str] | None:
    """Compare the database with the replica, and resend the rows that differ."""
    return _reconcile(context, repair=True)


KINDS: Mapping[str, JobFunction] = {
    COUNT: count,
    SNAPSHOT: snapshot,
    RECONCILE: reconcile,
    REPAIR: repair,
}


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
    result = reconciler.run(restart=False)
    if result is not None:
        return result.lines()
    if context.cancelled:
        reconciler.discard_checkpoints()
    return None


def _checkpoint_name(context: JobContext) -> str:
    # The name differs from the name of a command, because a command with equal arguments must not
    # resume at the checkpoint of a job.
    return f"job {context.job.pk}"
