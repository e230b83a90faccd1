"""Metrics as Prometheus reads them: its text format, version 0.0.4."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z")
_ENDLESS = {math.inf: "+Inf", -math.inf: "-Inf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value, told from others of its metric by its labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if wrong := [name for name in self.labels if not _LABEL.match(name)]:
            raise ValueError(f"A label is named {wrong[0]!r}: use letters, digits and '_'.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric with its samples; without samples nothing is written of it."""

    name: str
    help: str
    samples: tuple[Sample, ...]
    kind: Literal["gauge", "counter"] = "gauge"

    def __post_init__(self) -> None:
        if not _METRIC.match(self.name):
            raise ValueError(f"A metric is named {self.name!r}: use letters, digits, '_' and ':'.")


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the text of all metrics, each of which must stand there once."""
    return "".join(_lines(metric) for metric in metrics if metric.samples)


def _lines(metric: Metric) -> str:
    head = f"# HELP {metric.name} {_escaped(metric.help)}\n# TYPE {metric.name} {metric.kind}\n"
    return head + "".join(f"{metric.name}{_line(sample)}\n" for sample in metric.samples)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in sample.labels.items())
    return f"{{{labels}}} {_number(sample.value)}" if labels else f" {_number(sample.value)}"


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else _ENDLESS.get(value, repr(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
