"""Markdown tables."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Vertical bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(_line(line) for line in lines)


def _line(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", chr(92) + "|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
