"""The measured values of all rounds."""

from collections.abc import Sequence

from project.up.console import Console
from tests.bench.figures import Figure, Line, table


class Results:
    """Collects the measured values; prints each value at once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._better: dict[str, str] = {}
        self._values: dict[str, dict[str, list[float]]] = {}

    def add(self, system: str, what: str, value: float, better: str = "lower") -> None:
        self._better[what] = better
        self._values.setdefault(what, {}).setdefault(system, []).append(value)
        self._console.say(f"{system}: {what} {Figure((value,))}")

    def tables(self, ratios: Sequence[tuple[str, str]]) -> str:
        """Return the tables of all values.

        In `what`, the part before the colon is the title of the table. The rest is the row.
        """
        sections: dict[str, list[Line]] = {}
        for whole, found in self._values.items():
            section, _, what = whole.partition(": ")
            figures = {name: Figure(tuple(values)) for name, values in found.items()}
            line = Line(what=what, better=self._better[whole], figures=figures)
            sections.setdefault(section, []).append(line)
        return "\n\n".join(table(section, lines, ratios) for section, lines in sections.items())
