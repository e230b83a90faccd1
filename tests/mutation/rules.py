"""The rules that keep the promises, and for each rule the change of the code that removes it.

`promises` has a file for each promise. Each of its entries has a `rule`, the `file` with the code
that follows the rule, the text `old`, which occurs once in this file, and the text `new`, which
does not follow the rule. At least one of `tests` must then fail.
"""

import ast
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.paths import ROOT

FOLDER = Path(__file__).with_name("promises")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule, and the change of one file that removes it."""

    promise: str
    """The name of the file in `promises`, such as P3."""
    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """The ids of tests of which at least one fails without the rule."""
    servers: bool = False
    """Whether the tests need Kafka and MongoDB."""

    @classmethod
    def of(cls, promise: str, entry: dict[str, Any]) -> Self:
        return cls(promise=promise, **{**entry, "tests": tuple(entry["tests"])})

    def __str__(self) -> str:
        return f"{self.promise}: {self.rule}"

    def removed(self, root: Path = ROOT) -> str:
        """Return the source of the file without the rule; raise ValueError if that is impossible.

        It is impossible if the code has changed so that `old` does not occur exactly once.
        """
        source = (root / self.file).read_text()
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self}: `old` occurs {count} times in {self.file}: correct it.")
        changed = source.replace(self.old, self.new)
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
            raise ValueError(f"{self}: `new` has the same meaning as `old`: correct it.")
        return changed


def all_rules() -> list[Rule]:
    """Return the rules of all promises."""
    return [Rule.of(name, entry) for name, content in _files() for entry in content["rules"]]


def promises() -> dict[str, str]:
    """Return the sentence of each promise, by the name of its file."""
    return {name: content["promise"] for name, content in _files()}


def matching(rules: Iterable[Rule], names: Iterable[str]) -> list[Rule]:
    """Return the rules of the named promises, files and folders; by default, all rules."""
    names = tuple(names)
    return [
        rule for rule in rules if not names or rule.promise in names or rule.file.startswith(names)
    ]


def missing_tests(rule: Rule, root: Path = ROOT) -> list[str]:
    """Return the tests of a rule that do not exist."""
    return [each for each in rule.tests if not _exists(each, root)]


def _files() -> list[tuple[str, dict[str, Any]]]:
    files = sorted(FOLDER.glob("*.toml"), key=lambda file: (not file.stem.startswith("p"), file))
    return [(file.stem.capitalize(), tomllib.loads(file.read_text())) for file in files]


def _exists(test: str, root: Path) -> bool:
    file, _, name = test.partition("::")
    path, function = root / file, name.partition("[")[0]
    return path.is_file() and f"def {function}(" in path.read_text()
