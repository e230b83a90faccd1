"""The state of the feed as a table for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cdc.status import Status


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
    if status.dead_letters is not None:
        table.add_row("dead letters", str(status.dead_letters), "")
    for name, value in (status.counters or {}).items():
        table.add_row(name.replace("_", " "), str(value), "")
    return Group(table, Text(), Text(status.verdict, style="bold"))


def _outbox_row(table: Table, status: Status) -> None:
    if status.outbox is None:
        table.add_row("outbox", "?", "?")
    else:
        table.add_row("outbox", str(status.outbox.rows), f"{status.outbox_seconds:.1f}")
