"""The parser and the evaluator of the alert rules."""

import pytest

from tests.support.promql import NONE, Labels, NotPromQL, Series, Values, minutes_of, parse

A: Labels = frozenset({("p", "0"), ("q", "x")})
B: Labels = frozenset({("p", "1"), ("q", "x")})
SERIES: Series = {"a": {A: [0, 1, 2, 9], B: [5, 5, 1, 2]}, "b": {NONE: [1, 1, 1, 1]}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", {A: 9, B: 2}),
        ('a{p="1"}', {B: 2}),
        ('a{p="1",q="y"}', {}),
        ("missing", {}),
        ("max(a)", {NONE: 9}),
        ("min by (p) (a)", {frozenset({("p", "0")}): 9, frozenset({("p", "1")}): 2}),
        ("a > 2", {A: 9}),
        ("max(a) == 9", {NONE: 9}),
        ("max(a) < 9 or b >= 1", {NONE: 1}),
        ("absent(a)", {}),
        ("absent(c) or max(a) > 100", {NONE: 1}),
        ("increase(a[2m])", {A: 8, B: 2}),  # the counter of B began again
        ("max(rate(a[2m]))", {NONE: 8 / 120}),
        ("max(increase(a[1h])) > 8.5", {NONE: 9}),
    ],
)
def test_an_expression_is_evaluated(text: str, found: Values) -> None:
    assert parse(text).at(SERIES, 3) == pytest.approx(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max(a",
        "max(a))",
        "a >",
        "a > b",
        "a => 1",
        "sum(a)",
        "histogram_quantile(0.9, a)",
        "a offset 5m",
        "rate(a)",
        "rate(a[5s])",
        "a[5m]",
        'a{p=~"1"}',
        "a{p=1}",
        "a and b",
        "max by p (a)",
        "a # a comment",
        'a{p="unclosed}',
    ],
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(NotPromQL):
        parse(text)


def test_the_labels_of_selectors_are_found() -> None:
    first, second = parse('max by (p) (a{q="x"}) > 1 or absent(b)').selectors
    assert (first.name, set(first.matched), set(first.wanted)) == ("a", {("q", "x")}, {"p"})
    assert second.name == "b"
    assert (minutes_of("90m"), minutes_of("2h")) == (90, 120)
