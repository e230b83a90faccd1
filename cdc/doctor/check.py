"""The result of one examination."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cdc.errors import Misconfigured


class Level(StrEnum):
    """The outcome of a check, in order of severity."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found, and what to do."""

    id: str
    """The part and the subject, such as `kafka.partitions`. Ids do not change between releases."""
    level: Level
    sentence: str
    """What was found, with the value; without a full stop."""
    remedy: str = ""
    """What to do, as the end of the sentence; empty if nothing needs to be done."""
    stops: bool = False
    """Whether this result prevents the start of a daemon that needs the part."""

    @property
    def part(self) -> str:
        """The part of the deployment: settings, database, kafka, mongodb or between."""
        return self.id.partition(".")[0]

    @property
    def text(self) -> str:
        """The finding and the remedy, in one sentence."""
        return f"{self.sentence}: {self.remedy}." if self.remedy else f"{self.sentence}."


def ok(check: str, sentence: str) -> Check:
    return Check(id=check, level=Level.OK, sentence=sentence)


def warning(check: str, sentence: str, remedy: str) -> Check:
    return Check(id=check, level=Level.WARNING, sentence=sentence, remedy=remedy)


def wrong(check: str, sentence: str, remedy: str, *, stops: bool = False) -> Check:
    return Check(id=check, level=Level.WRONG, sentence=sentence, remedy=remedy, stops=stops)


def or_ok(found: Iterable[Check], check: str, sentence: str) -> Iterator[Check]:
    """Yield the problems that were found, or a single result that is ok."""
    problems = list(found)
    yield from problems or [ok(check, sentence)]


def refuse(checks: Iterable[Check]) -> None:
    """Raise Misconfigured for the first check that prevents a daemon from starting."""
    for check in checks:
        if check.stops:
            raise Misconfigured(check.text)
