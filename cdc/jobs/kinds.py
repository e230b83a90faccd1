"""What jobs do: snapshots and reconciliations, as the commands do them."""

from collections.abc import Mapping

from django.db import DEFAULT_DB_ALIAS

from cdc.jobs.runner import Desk, Work
from cdc.resync.reconcile_run import Reconciler
from cdc.resync.snapshot_run import InitialLoad

COUNT, SNAPSHOT, RECONCILE, REPAIR = "count", "snapshot", "reconcile", "repair"


def count(desk: Desk) -> list[str] | None:
    """Count what a snapshot would do; sends nothing."""
    load = _load(desk)
    lines = load.count(load.selections(desk.arguments["model"], desk.arguments["where"]))
    return None if load.left_off else lines


def snapshot(desk: Desk) -> list[str] | None:
    """Send the rows that are meant."""
    load = _load(desk)
    selections = load.selections(desk.arguments["model"], desk.arguments["where"])
    lines = load.send(selections, rate=desk.arguments.get("rate", 0), anew=False)
    if not load.left_off:
        return [*lines, load.incomplete] if load.incomplete else lines
    if desk.cancelled:
        load.forget(selections)
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


def _load(desk: Desk) -> InitialLoad:
    # A job has a checkpoint of its own, beside that of the same command.
    work = f"job {desk.job.pk}"
    return InitialLoad(desk.say, desk.stopped, using=DEFAULT_DB_ALIAS, work=work, bar=desk.bar)


def _reconcile(desk: Desk, *, repair: bool) -> list[str] | None:
    reconciler = Reconciler(
        desk.say,
        desk.stopped,
        repair=repair,
        using=DEFAULT_DB_ALIAS,
        work=f"job {desk.job.pk}",
        bar=desk.bar,
    )
    result = reconciler.run(anew=False)
    if result is not None:
        return result.lines()
    if desk.cancelled:
        reconciler.forget()
    return None
