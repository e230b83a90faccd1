"""The state of the feed as a table for the terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cdc.status.status import Status


def status_table(status: Status) -> RenderableType:
    """Return the state, its parts in the order in which a change passes them."""
    table = Table(box=None, pad_edge=False)
    table.add_column("part")
    table.add_column("records", justify="right")
    table.add_column("age in s", justify="right")
    _outbox_row(table, status)
    for lag in status.lags or ():
        table.add_row(f"{lag.topic} {lag.partition}", str(lag.records), f"{lag.seconds:.1f}")
    for counted in status.tables or ():
        table.add_row(counted.table, str(counted.rows), "")
        for name, documents in counted.documents.items():
            table.add_row(f"  {name}", str(documents), "")
    _letter_row(table, status)
    for name, value in (status.counters or {}).items():
        table.add_row(name.replace("_", " "), str(value), "")
    lines = [*_workers(status), *_past(status), ""]
    return Group(table, Text(), *map(Text, lines), Text(status.verdict, style="bold"))


def _workers(status: Status) -> Iterator[str]:
    if status.relay is not None:
        yield f"relay: {status.relay or 'none'}"
    if status.consumers is not None:
        yield f"consumers: {status.consumers}"


def _past(status: Status) -> Iterator[str]:
    delays, reconcile = status.delays, status.reconcile
    if delays is not None and delays.p50 is not None:
        figures = [delays.p50, delays.p95 or 0, delays.p99 or 0]
        shown = "/".join(f"{1000 * seconds:.0f}" for seconds in figures)
        yield (f"capture to replica, p50/p95/p99 of the last {delays.changes} changes: {shown} ms")
    if status.canary is not None and status.canary.seconds is not None:
        ago = _ago(status.canary.arrived_seconds_ago or 0.0)
        yield f"last canary, {ago} ago: {1000 * status.canary.seconds:.0f} ms"
    if reconcile is not None:
        yield f"last reconciliation, {_ago(reconcile.seconds_ago)} ago: {reconcile.verdict}"
    if status.last_error:
        yield f"last error: {status.last_error}"


def _ago(seconds: float) -> str:
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _letter_row(table: Table, status: Status) -> None:
    if status.dead_letters is not None:
        table.add_row("dead letters that wait", str(status.dead_letters), "")


def _outbox_row(table: Table, status: Status) -> None:
    if status.outbox is None:
        table.add_row("outbox", "?", "?")
    else:
        table.add_row("outbox", str(status.outbox.rows), f"{status.outbox_seconds:.1f}")
