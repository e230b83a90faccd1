"""The part of PromQL that the alert rules and the dashboard use: a strict parser and an evaluator.

Any other expression is an error. Series have one value per minute.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")
Labels = frozenset[tuple[str, str]]
Values = dict[Labels, float]
Series = Mapping[str, Mapping[Labels, Sequence[float]]]
"""The values of each minute, by the name of the metric and by the labels."""
NONE: Labels = frozenset()
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<number>\d+(?:\.\d+)?(?![a-zA-Z\d]))"
    r'|\[(?P<minutes>\d+[mh])\]|(?P<text>"[^"\\]*")|(?P<sign>==|!=|>=|<=|[><(){},=]))'
)
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}
_AGGREGATIONS: Mapping[str, Callable[[list[float]], float]] = {"max": max, "min": min}


class NotPromQL(Exception):
    """The text is not an expression of the supported part of PromQL."""


class Expression:
    """A parsed expression."""

    def at(self, series: Series, minute: int) -> Values:
        """Return the value for each set of labels; a comparison keeps the values that pass it."""
        raise NotImplementedError

    @property
    def selectors(self) -> Iterator["Selector"]:
        raise NotImplementedError

    @property
    def labels(self) -> frozenset[str] | None:
        """The labels of the result; None if it has all labels of its metric."""
        return frozenset()


@dataclass(frozen=True)
class Selector(Expression):
    name: str
    matched: Labels = NONE
    wanted: frozenset[str] = frozenset()
    """The labels by which an aggregation groups this metric."""

    def at(self, series: Series, minute: int) -> Values:
        return {
            labels: values[minute]
            for labels, values in series.get(self.name, {}).items()
            if self.matched <= labels
        }

    @property
    def selectors(self) -> Iterator["Selector"]:
        yield self

    @property
    def labels(self) -> frozenset[str] | None:
        return None


@dataclass(frozen=True)
class Increase(Expression):
    of: Selector
    minutes: int
    per_second: bool

    def at(self, series: Series, minute: int) -> Values:
        seconds = self.minutes * 60 if self.per_second else 1
        return {
            labels: _growth(values[max(minute - self.minutes, 0) : minute + 1]) / seconds
            for labels, values in series.get(self.of.name, {}).items()
            if self.of.matched <= labels
        }

    @property
    def selectors(self) -> Iterator[Selector]:
        yield self.of

    @property
    def labels(self) -> frozenset[str] | None:
        return None


@dataclass(frozen=True)
class Aggregation(Expression):
    name: str
    by: frozenset[str]
    of: Expression

    def at(self, series: Series, minute: int) -> Values:
        groups: dict[Labels, list[float]] = {}
        for labels, value in self.of.at(series, minute).items():
            kept = frozenset(pair for pair in labels if pair[0] in self.by)
            groups.setdefault(kept, []).append(value)
        return {labels: _AGGREGATIONS[self.name](found) for labels, found in groups.items()}

    @property
    def selectors(self) -> Iterator[Selector]:
        for each in self.of.selectors:
            yield Selector(each.name, each.matched, each.wanted | self.by)

    @property
    def labels(self) -> frozenset[str] | None:
        return self.by


@dataclass(frozen=True)
class Absent(Expression):
    of: Selector

    def at(self, series: Series, minute: int) -> Values:
        return {} if self.of.at(series, minute) else {NONE: 1.0}

    @property
    def selectors(self) -> Iterator[Selector]:
        yield self.of


@dataclass(frozen=True)
class Comparison(Expression):
    left: Expression
    sign: str
    right: float

    def at(self, series: Series, minute: int) -> Values:
        holds = _COMPARISONS[self.sign]
        found = self.left.at(series, minute).items()
        return {labels: value for labels, value in found if holds(value, self.right)}

    @property
    def selectors(self) -> Iterator[Selector]:
        return self.left.selectors

    @property
    def labels(self) -> frozenset[str] | None:
        return self.left.labels


@dataclass(frozen=True)
class Either(Expression):
    left: Expression
    right: Expression

    def at(self, series: Series, minute: int) -> Values:
        return {**self.right.at(series, minute), **self.left.at(series, minute)}

    @property
    def selectors(self) -> Iterator[Selector]:
        yield from self.left.selectors
        yield from self.right.selectors


def _growth(values: Sequence[float]) -> float:
    """Return by how much a counter grew; a lower value means that it restarted at 0."""
    steps = pairwise(values)
    return sum(after - before if after >= before else after for before, after in steps)


def parse(text: str) -> Expression:
    """Return the expression in `text`; raise NotPromQL."""
    return _Parser(text).whole()


def minutes_of(duration: str) -> int:
    """Return the minutes of a duration such as `5m` or `1h`; raise NotPromQL."""
    found = re.fullmatch(r"(\d+)([mh])", duration)
    if found is None:
        raise NotPromQL(f"{duration!r} is not a duration in minutes or hours")
    return int(found[1]) * {"m": 1, "h": 60}[found[2]]


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise NotPromQL(f"{text[at:]!r} is not supported in {text!r}")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self._tokens.append(("end", ""))

    def whole(self) -> Expression:
        found = self._either()
        self._take("end")
        return found

    def _either(self) -> Expression:
        found = self._comparison()
        while self._tokens[0] == ("name", "or"):
            self._take("name")
            found = Either(found, self._comparison())
        return found

    def _comparison(self) -> Expression:
        found = self._operand()
        if self._tokens[0][1] in _COMPARISONS:
            sign = self._take("sign")
            return Comparison(found, sign, float(self._take("number")))
        return found

    def _operand(self) -> Expression:
        name = self._take("name")
        if name in _AGGREGATIONS:
            by = self._by()
            return Aggregation(name, by, self._enclosed(self._operand))
        if name in {"increase", "rate"}:
            of, minutes = self._enclosed(self._range)
            return Increase(of, minutes, per_second=name == "rate")
        if name == "absent":
            return Absent(self._enclosed(lambda: self._selector(self._take("name"))))
        return self._selector(name)

    def _by(self) -> frozenset[str]:
        if self._tokens[0] != ("name", "by"):
            return frozenset()
        self._take("name")
        return frozenset(self._listed("(", ")", lambda: self._take("name")))

    def _range(self) -> tuple[Selector, int]:
        return self._selector(self._take("name")), minutes_of(self._take("minutes"))

    def _selector(self, name: str) -> Selector:
        if self._tokens[0][1] == "(":
            raise NotPromQL(f"the function {name!r} is not supported in {self._text!r}")
        if self._tokens[0][1] != "{":
            return Selector(name)
        return Selector(name, frozenset(self._listed("{", "}", self._match)))

    def _match(self) -> tuple[str, str]:
        label = self._take("name")
        self._take("sign", "=")
        return label, self._take("text")[1:-1]

    def _listed(self, first: str, last: str, item: Callable[[], T]) -> list[T]:
        self._take("sign", first)
        found = [item()]
        while self._tokens[0][1] == ",":
            self._take("sign")
            found.append(item())
        self._take("sign", last)
        return found

    def _enclosed(self, item: Callable[[], T]) -> T:
        self._take("sign", "(")
        found = item()
        self._take("sign", ")")
        return found

    def _take(self, kind: str, value: str = "") -> str:
        found_kind, found = self._tokens.pop(0)
        if found_kind != kind or (value and found != value):
            raise NotPromQL(f"{found!r} in {self._text!r} must be a {kind} {value}")
        return found
