"""The arithmetic of docs/performance.md, computed from the run in docs/bench.md."""

import math
import re
import textwrap

from tests.docs.markdown import table
from tests.support.paths import ROOT

BEGIN = "<!-- Written by `python -m tests.docs` from the tables in bench.md. -->"
END = "<!-- End of the written lines. -->"
_BASE = 100
"""The changes per second in the comparison."""
_KINDS = ("inserts", "updates", "deletes")
_BLOCK = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def performance_page() -> str:
    """Return docs/performance.md with the lines between the two comments regenerated."""
    lines = arithmetic((ROOT / "docs/bench.md").read_text())
    page = (ROOT / "docs/performance.md").read_text()
    return _BLOCK.sub(lambda _: f"{BEGIN}\n\n{lines}\n\n{END}", page)


def arithmetic(bench: str) -> str:
    """Return the measured values and the table for multiples of the load, as Markdown."""
    save = _value(bench, "a save of an existing story, ms", "captured")
    rates = [_value(bench, f"{kind}, per second", "ours, 1") for kind in _KINDS]
    used = _value(bench, "inserts, processor time, s", "ours, 1")
    changes = int(re.findall(r"backlog of ([\d,]+)", bench)[0].replace(",", ""))
    inserts, updates, deletes = (f"{rate:,.0f}" for rate in rates)
    each, writes = 1000 * used / changes, math.floor(1000 / save)
    sentences = (
        f"A captured save of an existing story takes {save:.2f} ms. A thread that saves one "
        f"story after another therefore writes at most 1,000 / {save:.2f} = {writes:,} changes "
        "per second.\n"
        f"One relay and one consumer copied a backlog of inserts at {inserts} per second, of "
        f"updates at {updates} and of deletes at {deletes}.\n"
        f"The relay and the consumer used {used:.2f} s of processor time for {changes:,} "
        f"inserts, which is {each:.3f} ms per insert."
    )
    listed = "\n".join(
        textwrap.fill(f"- {line}", 100, subsequent_indent="  ") for line in sentences.splitlines()
    )
    head = ["load", "changes per second", "writing threads, at least"]
    head += [f"load on one relay and consumer, {kind}" for kind in _KINDS]
    rows = [_row(times, writes, rates, each) for times in (10, 100, 1_000)]
    return f"{listed}\n\n{table([*head, 'cores for relay and consumers'], rows)}"


def _row(times: int, writes: int, rates: list[float], each: float) -> list[str]:
    load = times * _BASE
    return [
        *(f"{times:,} times", f"{load:,}", f"{math.ceil(load / writes):,}"),
        *(f"{100 * load / rate:,.0f} %" for rate in rates),
        f"{load * each / 1000:.2g}",
    ]


def _value(bench: str, row: str, column: str) -> float:
    """Return the median in a cell of one of the tables."""
    head: list[str] = []
    for line in bench.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif cells[0] == row and column in head:
            return float(cells[head.index(column)].split()[0].replace(",", ""))
    raise LookupError(f"docs/bench.md has no table with the row {row!r} and the column {column!r}.")
