"""The table of docs/operating.md: what the views show in each condition, and which alerts fire."""

import re
from dataclasses import dataclass

from cdc.status.findings import State
from tests.support.paths import ROOT

HEADER = "| state | condition | the verdict, for example | exit code | alerts |"
_SHAPES = (
    # Patterns for the parts of a sentence that can differ, and their replacements.
    (r" Also: .*", ""),
    (r"(attempts?\)): .*", r"\1"),
    (r" (is not responding|unreachable for at least \d+ s)\.", " is not responding."),
    (r" ((At least )?\d+ changes? queued(, none lost)?|No saved change is lost)\. Run", " Run"),
    (r"(elay|onsumer) \S+ has been failing", r"\1 X has been failing"),
    (r"log of relay \S+\.", "log of relay X."),
    (r"paused by \S+ on", "paused by X on"),
    (r"on \d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC", "on T"),
    (r"the database '\w+'", "the database X"),
    (r"(partitions? \d+(, \d+)* of) [^ :]+:", r"\1 X:"),
    (r"(the columns?) \w+(, \w+)*\.", r"\1 X."),
    (r", counted but not yet compared field by field\.", "."),
    (r"\d+(,\d{3})*(\.\d+)?", "N"),
    (r"N( or N|, N)*", "N"),
    (r"\b(change|record|row|document|dead letter|consumer|attempt|partition|column)s\b", r"\1"),
    (r"\bneed\b", "needs"),
    (r"\bdiffer\b", "differs"),
    (r"\bare\b", "is"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A condition of the pipeline, and what is documented about it."""

    state: State
    condition: str
    verdict: str
    exit_code: int
    alerts: frozenset[str]

    def __str__(self) -> str:
        return f"{self.state}: {self.condition}"

    def describes(self, sentence: str) -> bool:
        """Return whether a sentence is the documented one, with other numbers and names."""
        return self._shape(sentence) == self._shape(self.verdict)

    def _shape(self, sentence: str) -> str:
        # The pages show this word before the sentence.
        text = sentence.removeprefix(self.state.label).removeprefix(":")
        for pattern, stands_for in _SHAPES:
            text = re.sub(pattern, stands_for, text)
        return text.strip().lower()


def rows() -> list[Row]:
    """Return the rows of the table."""
    _, header, rest = (ROOT / "docs/operating.md").read_text().partition(HEADER)
    assert header, "docs/operating.md has no table of the conditions"
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [_row([cell.strip() for cell in line.strip("|").split("|")]) for line in table]


def _row(cells: list[str]) -> Row:
    state, condition, verdict, code, alerts = cells
    return Row(
        state=State(state.strip("`")),
        condition=condition,
        verdict=verdict.strip('"'),
        exit_code=int(code),
        alerts=frozenset(re.findall(r"`(\w+)`", alerts)),
    )
