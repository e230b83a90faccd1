"""Dead letters as JSON and as tables for the terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cdc.dead_letters.inspection import Inspection
from cdc.dead_letters.visible import place
from cdc.models import DeadLetter
from cdc.printable import printable

_LONGEST = 120


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as the documented JSON object, without the payload."""
    resolved_at = letter.resolved_at.isoformat() if letter.resolved_at else None
    return {
        "id": letter.pk,
        "status": letter.status,
        "group": letter.group,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "table": letter.table,
        "key": letter.key_text,
        "size": letter.size,
        "reason": letter.reason,
        "created_at": letter.created_at.isoformat(),
        "resolved_at": resolved_at,
        "resolved_by": letter.resolved_by,
        "why": letter.why,
    }


def letters_table(letters: Iterable[DeadLetter]) -> RenderableType:
    """Return a table with one line for each dead letter."""
    table = Table(box=None, pad_edge=False)
    table.add_column("id", justify="right", no_wrap=True)
    for name in ("status", "since", "place", "key", "reason"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        table.add_row(
            str(letter.pk),
            letter.status,
            f"{letter.created_at:%Y-%m-%d %H:%M:%S}",
            Text(place(letter)),
            Text(letter.key_text),
            Text(printable(letter.reason, _LONGEST)),
        )
    return table


def letter_page(letter: DeadLetter, inspection: Inspection) -> RenderableType:
    """Return the fields of a dead letter, and its message, row and replica side by side."""
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, value in letter_json(letter).items():
        facts.add_row(name, Text("" if value is None else printable(str(value), 2_000)))
    sides = Table(box=None, pad_edge=False)
    for name in ("column", "message", "database now", "replica now", ""):
        sides.add_column(name, overflow="fold")
    for line in inspection.lines:
        differs = "differs" if line.differs else ""
        sides.add_row(
            Text(line.column), Text(line.message), Text(line.source), Text(line.replica), differs
        )
    return Group(
        facts,
        Text("\nThe message", style="bold"),
        Text(inspection.payload or "(none)"),
        Text(),
        sides,
        Text(inspection.verdict, style="bold"),
    )
