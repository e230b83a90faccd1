"""The text that Prometheus reads, held against a strict reader of its grammar."""

import math
import re

import pytest

from project.metrics.exposition import Metric, Sample, exposition

_HEAD = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|\Z)')

Samples = dict[tuple[tuple[str, str], ...], float]


def parsed(text: str) -> dict[str, tuple[str, str, Samples]]:
    """Return kind, help and samples of each metric; fails on whatever the grammar does not allow.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    assert not text or text.endswith("\n")
    found: dict[str, tuple[str, str, Samples]] = {}
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        if head := _HEAD.fullmatch(line):
            kind = _HEAD.fullmatch(next(lines))
            assert head[1] == "HELP"
            assert kind is not None
            assert (kind[1], kind[2]) == ("TYPE", head[2])
            assert kind[3] in {"counter", "gauge"}
            assert head[2] not in found, f"{head[2]} stands there twice"
            found[head[2]] = (kind[3], head[3], {})
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        samples = found[sample[1]][2]
        assert sample[1] == next(reversed(found)), f"{line} stands apart from its metric"
        labels = tuple(sorted(labels_of(sample[2] or "")))
        assert labels not in samples, f"{line} stands there twice"
        samples[labels] = float(sample[3])
    assert all(samples for _, _, samples in found.values())
    return found


def labels_of(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match is not None, text
        plain = re.sub(r"\\(.)", lambda part: {"n": "\n"}.get(part[1], part[1]), match[2])
        found.append((match[1], plain))
        at = match.end()
    return found


@pytest.mark.parametrize(
    "value", ["plain", 'a "b"', "back\\slash", "\\n", "two\nlines", "}", "a,b=", "🐘\u202e", ""]
)
def test_label_comes_back_as_it_was(value: str) -> None:
    sample = Sample(value=1, labels={"first": value, "second": "x"})
    text = exposition([Metric(name="a_b", help="A.", samples=(sample,))])
    assert parsed(text)["a_b"][2] == {(("first", value), ("second", "x")): 1.0}


@pytest.mark.parametrize("value", [0, 17, 2**60, -1, 0.1, 1e-9, math.inf, -math.inf])
def test_value_comes_back_as_it_was(value: float) -> None:
    text = exposition([Metric(name="a", help="A.", samples=(Sample(value=value),))])
    assert parsed(text)["a"][2] == {(): value}


def test_what_is_no_number_is_said() -> None:
    text = exposition([Metric(name="a", help="A.", samples=(Sample(value=math.nan),))])
    assert text.endswith("a NaN\n")


def test_help_stays_on_its_line_and_nothing_is_said_of_nothing() -> None:
    metrics = [
        Metric(name="none", help="Never written.", samples=()),
        Metric(name="a", help="Two\nlines \\.", samples=(Sample(value=1),), kind="counter"),
    ]
    assert exposition(metrics) == "# HELP a Two\\nlines \\\\.\n# TYPE a counter\na 1\n"


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a\n", "ä"])
def test_name_that_prometheus_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="named"):
        Metric(name=name, help="A.", samples=())
    with pytest.raises(ValueError, match="named"):
        Sample(value=1, labels={name: "x"})
