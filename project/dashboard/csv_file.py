"""CSV files from which a spreadsheet runs no formulas."""

import csv
import io
from collections.abc import AsyncIterator, Iterator
from itertools import islice

from project.dashboard.cells import Cell
from project.dashboard.tables import Row, Table

BOM = "\ufeff"
"""Without this mark, Excel does not read a file as UTF-8."""
_ROWS = 200
# Spreadsheets also accept the full-width forms, and skip invisible characters before them.
_FORMULA = frozenset("=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}")
_FORMULA |= frozenset("\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}\N{MINUS SIGN}")


def harmless(value: str) -> str:
    """Return text that no spreadsheet runs as a formula; an apostrophe is added if necessary."""
    start = next((each for each in value if each.isprintable() and not each.isspace()), "")
    hidden = value[:1] in {"\t", "\r", "\n"}
    return f"'{value}" if hidden or start in _FORMULA else value


async def chunks(table: Table) -> AsyncIterator[bytes]:
    """Yield the file in UTF-8, a few rows at a time."""
    heads = table.file_heads or table.heads  # some heads are names of topics
    yield BOM.encode() + _encoded([map(harmless, heads)])
    rows = iter(table.rows)
    while some := list(islice(rows, _ROWS)):
        yield _encoded([_values(row) for row in some])


def _values(row: Row) -> Iterator[str | int | float]:
    return (_value(cell) for cell in row)


def _value(cell: Cell) -> str | int | float:
    return harmless(cell.value) if isinstance(cell.value, str) else cell.value


def _encoded(rows: object) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode(errors="replace")
