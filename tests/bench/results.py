"""What was measured, round by round."""

from collections.abc import Sequence

from project.up.console import Console
from tests.bench.figures import Figure, Line, table


class Results:
    """Collects values; says each at once, and sets them side by side at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._better: dict[str, str] = {}
        self._values: dict[str, dict[str, list[float]]] = {}

    def add(self, system: str, what: str, value: float, better: str = "lower") -> None:
        """Keep one round's value."""
        self._better[what] = better
        self._values.setdefault(what, {}).setdefault(system, []).append(value)
        self._console.say(f"{system}: {what} {Figure((value,))}")

    def tables(self, ratios: Sequence[tuple[str, str]]) -> str:
        """Return a table for each measurement, which is what stands before the colon."""
        sections: dict[str, list[Line]] = {}
        for whole, found in self._values.items():
            section, _, what = whole.partition(": ")
            figures = {name: Figure(tuple(values)) for name, values in found.items()}
            line = Line(what=what, better=self._better[whole], figures=figures)
            sections.setdefault(section, []).append(line)
        return "\n\n".join(table(section, lines, ratios) for section, lines in sections.items())
