"""The kinds of jobs: snapshots and reconciliations, run by the same code as the commands."""

from collections.abc import Mapping

from django.db import DEFAULT_DB_ALIAS

from cdc.jobs.runner import JobContext, JobFunction
from cdc.resync.reconcile_run import Reconciler
from cdc.resync.snapshot_run import InitialLoad

COUNT, SNAPSHOT, RECONCILE, REPAIR = "count", "snapshot", "reconcile", "repair"


def count(context: JobContext) -> list[str] | None:
    """Count what a snapshot would change; send nothing."""
    load = _load(context)
    selections = load.selections(context.arguments["model"], context.arguments["where"])
    lines = load.count(selections)
    return None if load.left_off else lines


def snapshot(context: JobContext) -> list[str] | None:
    """Send the selected rows."""
    load = _load(context)
    selections = load.selections(context.arguments["model"], context.arguments["where"])
    lines = load.send(selections, rate=context.arguments.get("rate", 0), anew=False)
    if not load.left_off:
        return [*lines, load.incomplete] if load.incomplete else lines
    if context.cancelled:
        load.forget(selections)
    return None


def reconcile(context: JobContext) -> list[str] | None:
    """Compare the database with the replica."""
    return _reconcile(context, repair=False)


def repair(context: JobContext) -> list[str] | None:
    """Compare, and send what differs again."""
    return _reconcile(context, repair=True)


KINDS: Mapping[str, JobFunction] = {
    COUNT: count,
    SNAPSHOT: snapshot,
    RECONCILE: reconcile,
    REPAIR: repair,
}


def _load(context: JobContext) -> InitialLoad:
    return InitialLoad(
        context.say,
        context.stopped,
        using=DEFAULT_DB_ALIAS,
        work=_checkpoint_name(context),
        bar=context.bar,
    )


def _reconcile(context: JobContext, *, repair: bool) -> list[str] | None:
    reconciler = Reconciler(
        context.say,
        context.stopped,
        repair=repair,
        using=DEFAULT_DB_ALIAS,
        work=_checkpoint_name(context),
        bar=context.bar,
    )
    result = reconciler.run(anew=False)
    if result is not None:
        return result.lines()
    if context.cancelled:
        reconciler.forget()
    return None


def _checkpoint_name(context: JobContext) -> str:
    # A command with the same arguments has a checkpoint of its own.
    return f"job {context.job.pk}"
