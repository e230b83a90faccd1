"""The measured values of all rounds."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from project.up.console import Console
from tests.bench.figures import Figure, Line, table


class Measured(TypedDict):
    """The values of one measurement, one for each round, by system."""

    what: str
    better: str
    values: dict[str, list[float]]


class File(TypedDict):
    """A file of results."""

    about: list[str]
    """The machine, the versions and the options."""
    measured: list[Measured]


class Results:
    """Collects the measured values; prints each value at once."""

    def __init__(
        self, console: Console, file: Path | None = None, about: Sequence[str] = ()
    ) -> None:
        """After each value, all values are written to `file`, if it is given."""
        self._console, self._file, self._about = console, file, list(about)
        self._found: dict[str, Measured] = {}

    def add(self, system: str, what: str, value: float, better: str = "lower") -> None:
        """Add a value. `better` is `lower`, `higher` or, if neither is better, empty."""
        found = self._found.setdefault(what, Measured(what=what, better=better, values={}))
        found["values"].setdefault(system, []).append(value)
        self._console.say(f"{system}: {what} {Figure((value,))}")
        self._save()

    def describe(self, about: Sequence[str]) -> None:
        """Add sentences about the machine, the versions and the options to the file."""
        self._about += about
        self._save()

    @property
    def measured(self) -> list[Measured]:
        return list(self._found.values())

    def show(self, about: Sequence[str], ratios: Sequence[tuple[str, str]] = ()) -> None:
        """Print the tables below `about`, which is also added to the file."""
        self.describe(about)
        note = "Medians of the rounds, with the lowest and the highest value in brackets."
        self._console.show("\n".join(["", *about, note, "", self.tables(ratios)]))

    def tables(self, ratios: Sequence[tuple[str, str]]) -> str:
        """Return the tables of all values.

        In `what`, the part before the colon is the title of the table. The rest is the row.
        """
        sections: dict[str, list[Line]] = {}
        for found in self._found.values():
            section, _, what = found["what"].partition(": ")
            figures = {name: Figure(tuple(values)) for name, values in found["values"].items()}
            line = Line(what=what, better=found["better"], figures=figures)
            sections.setdefault(section, []).append(line)
        return "\n\n".join(table(section, lines, ratios) for section, lines in sections.items())

    def _save(self) -> None:
        # After each value, because an interrupted run must not lose its values.
        if self._file is not None:
            content = File(about=self._about, measured=self.measured)
            self._file.write_text(json.dumps(content, indent=1) + "\n")


def read(file: Path) -> File:
    """Read a file of results."""
    content: File = json.loads(file.read_text())
    return content
