"""What jobs do: snapshots and reconciliations, as the commands do them."""

from collections.abc import Mapping

from django.db import DEFAULT_DB_ALIAS

from cdc.jobs.runner import Desk, Work
from cdc.resync.reconcile_run import Reconciler
from cdc.resync.selection import selections
from cdc.resync.snapshot_run import SnapshotRun

COUNT, SNAPSHOT, RECONCILE, REPAIR = "count", "snapshot", "reconcile", "repair"


def count(desk: Desk) -> list[str] | None:
    """Count what a snapshot would do; sends nothing."""
    run = _snapshot_run(desk)
    lines = run.count(selections(desk.arguments["model"], desk.arguments["where"]))
    return None if run.interrupted else lines


def snapshot(desk: Desk) -> list[str] | None:
    """Send the rows that are meant."""
    run = _snapshot_run(desk)
    selected = selections(desk.arguments["model"], desk.arguments["where"])
    lines = run.send(selected, rate=desk.arguments.get("rate", 0), restart=False)
    if not run.interrupted:
        return [*lines, run.incomplete] if run.incomplete else lines
    if desk.cancelled:
        run.discard_checkpoints(selected)
    return None


def reconcile(desk: Desk) -> list[str] | None:
    """Compare."""
    return _reconcile(desk, repair=False)


def repair(desk: Desk) -> list[str] | None:
    """Compare, and send again what differs."""
    return _reconcile(desk, repair=True)


WORKS: Mapping[str, Work] = {
    COUNT: count,
    SNAPSHOT: snapshot,
    RECONCILE: reconcile,
    REPAIR: repair,
}


def _snapshot_run(desk: Desk) -> SnapshotRun:
    # A job has a checkpoint of its own, beside that of the same command.
    task = f"job {desk.job.pk}"
    return SnapshotRun(desk.say, desk.stopped, using=DEFAULT_DB_ALIAS, task=task, bar=desk.bar)


def _reconcile(desk: Desk, *, repair: bool) -> list[str] | None:
    reconciler = Reconciler(
        desk.say,
        desk.stopped,
        repair=repair,
        using=DEFAULT_DB_ALIAS,
        task=f"job {desk.job.pk}",
        bar=desk.bar,
    )
    result = reconciler.run(restart=False)
    if result is not None:
        return result.lines()
    if desk.cancelled:
        reconciler.discard_checkpoints()
    return None
