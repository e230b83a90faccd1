"""Renders the status for the terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cdc.printable import counted
from cdc.status.verdict import Status


def status_table(status: Status) -> RenderableType:
    """Return the queues and counts in the order in which a change passes them, then the verdict."""
    table = Table(box=None, pad_edge=False)
    table.add_column("part")
    table.add_column("records", justify="right")
    table.add_column("age in s", justify="right")
    if status.outbox is None:
        table.add_row("outbox", "?", "?")
    else:
        table.add_row("outbox", str(status.outbox.rows), f"{status.outbox_seconds:.1f}")
    for lag in status.lags or ():
        age = "?" if lag.seconds is None else f"{lag.seconds:.1f}"
        table.add_row(f"{lag.topic} {lag.partition}", str(lag.records), age)
    for each in status.tables or ():
        table.add_row(each.table, str(each.rows), "")
        for name, documents in each.documents.items():
            table.add_row(f"  {name}", str(documents), "")
        for name in each.uncounted:
            table.add_row(f"  {name}", "?", "")
    if status.dead_letters is not None:
        table.add_row("dead letters waiting", str(status.dead_letters), "")
    for name, value in (status.counters or {}).items():
        table.add_row(name.replace("_", " "), str(value), "")
    lines = [*_processes(status), *_history(status), *status.problems, ""]
    return Group(table, Text(), *map(Text, lines), Text(status.verdict, style="bold"))


def _processes(status: Status) -> Iterator[str]:
    if status.relay is not None:
        yield f"relay: {status.relay or 'none'}"
    if status.consumers is not None:
        yield f"consumers: {status.consumers}"


def _history(status: Status) -> Iterator[str]:
    delays, canary, reconcile = status.delays, status.canary, status.reconcile
    if delays is not None and delays.p50 is not None:
        percentiles = "/".join(str(value) for value in delays.milliseconds().values())
        changes = counted(delays.changes, "change")
        yield f"delay p50/p95/p99 of the last {changes}: {percentiles} ms"
    if canary is not None and canary.seconds is not None:
        age = _duration(canary.arrived_seconds_ago or 0.0)
        yield f"last canary, {age} ago: {1000 * canary.seconds:.0f} ms"
    if reconcile is not None:
        yield f"last reconciliation, {_duration(reconcile.seconds_ago)} ago: {reconcile.verdict}"
    for gap in status.gaps or ():
        yield (
            f"gap: {gap.topic} {gap.partition}, from offset {gap.lost_from}, consumer resumed at "
            f"offset {gap.resumed_at}, found on {gap.at:%Y-%m-%d %H:%M:%S} UTC"
        )
    for changed in status.columns or ():
        for what, names in (("lacking", changed.lacking), ("left over", changed.left_over)):
            if names:
                yield f"columns {what} in documents of {changed.table}: {', '.join(names)}"
    for trouble in status.troubles or ():
        yield (
            f"failing: {trouble.process}, since {trouble.since:%Y-%m-%d %H:%M:%S} UTC, "
            f"attempts: {trouble.attempts}, {trouble.error}"
        )
    if status.last_error:
        yield f"last error: {status.last_error}"


def _duration(seconds: float) -> str:
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
