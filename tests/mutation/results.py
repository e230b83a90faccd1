"""The results that mutmut stores next to the mutated modules."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from difflib import ndiff
from pathlib import Path
from typing import Any

from tests.mutation.tree import Target

SURVIVED = (0, 5, 33)
"""mutmut's codes for mutations that no test detects, or that no test executes."""
_SEPARATOR = "ǁ"


@dataclass(slots=True)
class Score:
    """The number of mutations of one module, and those that survived."""

    module: str
    total: int = 0
    unchecked: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return self.total - len(self.survivors) - self.unchecked

    def __str__(self) -> str:
        percent = 100 * self.killed / self.total if self.total else 100.0
        left = f", {self.unchecked} not checked" if self.unchecked else ""
        return (
            f"{self.module:<34} {self.killed:>5} of {self.total:>5} killed, {percent:5.1f}%{left}"
        )


def scores(target: Target, only: Collection[str] | None = None) -> list[Score]:
    """Return the score of each module with mutations. With `only`, other mutations do not count."""
    found = ((path, _codes(path)) for path in _results(target))
    if only is not None:
        found = ((path, _some(checked, only)) for path, checked in found)
    return [_score(path, checked) for path, checked in found if checked]


def codes(target: Target) -> dict[str, int | None]:
    """Return mutmut's code for each mutation of a target. None if it has not been checked."""
    return {name: code for path in _results(target) for name, code in _codes(path).items()}


def forget_survivors(target: Target) -> None:
    """Make the next run check the survivors again, because the tests may have changed."""
    for path in _results(target):
        found = json.loads(path.read_text())
        codes = found["exit_code_by_key"]
        codes.update({name: None for name, code in codes.items() if code in SURVIVED})
        path.write_text(json.dumps(found))


def _some(checked: dict[str, Any], only: Collection[str]) -> dict[str, Any]:
    return {name: code for name, code in checked.items() if name in only}


def _score(path: Path, checked: dict[str, Any]) -> Score:
    first = next(iter(checked))
    score = Score(first.rpartition(".")[0], total=len(checked))
    score.unchecked = sum(code is None for code in checked.values())
    source = path.with_suffix("").read_text().splitlines()
    spans = json.loads(path.with_suffix(".spans").read_text())["spans"]
    for name, code in checked.items():
        if code in SURVIVED:
            mutant = name.rpartition(".")[2]
            function = mutant.partition("__mutmut")[0]
            texts = [_text(source, spans[each]) for each in (f"{function}__mutmut_orig", mutant)]
            shown = function.removeprefix("x").removeprefix("_").strip(_SEPARATOR)
            score.survivors.append(
                f"{score.module}:{shown.replace(_SEPARATOR, '.')}: {_change(*texts)}"
            )
    return score


def _change(before: list[str], after: list[str]) -> str:
    """Return the different lines as `old => new`."""
    marked = list(ndiff(before[1:], after[1:]))
    sides = (
        " ".join(line[2:].strip() for line in marked if line.startswith(sign)) for sign in "-+"
    )
    return " => ".join(side.replace("  # pragma: no mutate", "") for side in sides)


def _text(source: list[str], span: list[int]) -> list[str]:
    # Decorators are left out.
    lines = source[span[0] - 1 : span[1]]
    start = next(at for at, line in enumerate(lines) if line.lstrip().startswith(("def", "async")))
    return [line.rstrip() for line in lines[start:]]


def _results(target: Target) -> Iterator[Path]:
    yield from sorted((target.folder / "mutants").rglob("*.meta"))


def _codes(path: Path) -> dict[str, Any]:
    checked: dict[str, Any] = json.loads(path.read_text())["exit_code_by_key"]
    return checked
