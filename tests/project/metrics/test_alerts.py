"""The alert rules and the dashboard use only exported metrics, and each alert is documented."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import yaml
from django.test import Client

from cdc.runtime.telemetry import COUNTERS
from cdc.status.latency import delays_of
from project.pages import feed_state
from tests.project.metrics.samples import samples_of
from tests.support.latest import patient
from tests.support.paths import ROOT
from tests.support.promql import (
    Comparison,
    Either,
    Expression,
    Labels,
    Series,
    minutes_of,
    parse,
)
from tests.support.status import busy_status, lag

RULES = ROOT / "compose/prometheus/storyfeed.rules.yaml"
DASHBOARD = ROOT / "compose/grafana/storyfeed.json"
DOCUMENT = ROOT / "docs/operating.md"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in ALERTS]
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
KEYS = {"alert", "expr", "for", "labels", "annotations"}
SCRAPED = {"job", "instance"}
"""The labels that Prometheus adds to each metric."""
TEMPLATE = re.compile(r"\{\{ (\$value( \| (humanize|humanizeDuration))?|\$labels\.\w+) \}\}")
EVALUATED = 60
"""The minute at which the alerts of a case are judged."""


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """The names of all metrics that a web process exports, with their labels."""
    full = busy_status(
        lags=(replace(lag(17, 2.0), seconds_to_loss=9.0, seconds_to_marker_expiry=8.0),),
        gaps=(),
        troubles=(),
        delays=delays_of([0.1, 0.2]),
        relay="host:1",
        consumers=2,
        counters=dict.fromkeys(COUNTERS, 4),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_state.feed, "latest", patient(lambda: full))
        text = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    found: dict[str, set[str]] = {}
    for name, samples in samples_of(text).items():
        found[name] = {label for labels in samples for label, _ in labels} | SCRAPED
    return found


def uses_only(expression: str, exported: dict[str, set[str]]) -> Expression:
    """Parse an expression, and check the names of its metrics and labels."""
    parsed = parse(expression)
    for selector in parsed.selectors:
        assert selector.name in exported, expression
        used = {label for label, _ in selector.matched} | selector.wanted
        assert used <= exported[selector.name], expression
    return parsed


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_an_alert_uses_exported_metrics_and_labels_only(
    rule: dict[str, Any], exported: dict[str, set[str]]
) -> None:
    parsed = uses_only(rule["expr"], exported)
    assert isinstance(parsed, Comparison | Either), "an alert must compare"
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert parsed.labels is not None
    assert named <= parsed.labels


def test_a_panel_uses_exported_metrics_and_labels_only(exported: dict[str, set[str]]) -> None:
    targets = [target for panel in PANELS for target in panel["targets"]]
    assert targets
    for target in targets:
        parsed = uses_only(target["expr"], exported)
        named = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")))
        known = next(parsed.selectors).wanted if parsed.labels is not None else None
        assert known is None or named <= known, target


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_an_alert_is_complete_and_documented(rule: dict[str, Any]) -> None:
    assert {"alert", "expr", "labels", "annotations"} <= rule.keys() <= KEYS
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert minutes_of(rule.get("for", "0m")) < 60
    assert_template(rule["annotations"]["summary"])
    name = rule["alert"]
    assert rule["annotations"]["runbook"] == f"docs/operating.md#{name.lower()}"
    section = DOCUMENT.read_text().partition(f"\n### {name}\n")[2].partition("\n#")[0]
    assert "**Meaning.**" in section
    assert "**What to do.**" in section


def assert_template(text: str) -> None:
    """Check that only known variables and functions are between the braces."""
    rest = TEMPLATE.sub("", text)
    assert text
    assert "{{" not in rest
    assert "}}" not in rest
    assert "$" not in rest


def test_the_file_has_groups_of_rules_only() -> None:
    file = yaml.safe_load(RULES.read_text())
    assert file.keys() == {"groups"}
    assert all(group.keys() == {"name", "rules"} for group in file["groups"])
    assert len({group["name"] for group in file["groups"]}) == len(file["groups"])


def test_every_documented_alert_exists() -> None:
    documented = re.findall(r"^### (Storyfeed\w+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_the_dashboard_can_be_imported() -> None:
    """Grafana's import needs these keys; panels must have their own ids and not overlap."""
    board = json.loads(DASHBOARD.read_text())
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= board.keys()
    (source,) = board["templating"]["list"]
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = list(chain.from_iterable(map(_cells, PANELS)))
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    for panel in PANELS:
        assert {"type", "title", "fieldConfig", "options"} <= panel.keys()
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def _cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    at = panel["gridPos"]
    for x in range(at["x"], at["x"] + at["w"]):
        for y in range(at["y"], at["y"] + at["h"]):
            yield x, y


PARTITION = '{topic="t", partition="0"}'
LOSS, EXPIRY = (
    f"storyfeed_time_to_{what}_seconds{PARTITION}" for what in ("data_loss", "marker_expiry")
)
HEALTHY = {
    "storyfeed_healthy": "1x120",
    "storyfeed_problems": "0x120",
    "storyfeed_status_age_seconds": "0x120",
    "storyfeed_relay_active": "1x120",
    "storyfeed_outbox_oldest_seconds": "0x120",
    "storyfeed_consumers": "1x120",
    f"storyfeed_lag_seconds{PARTITION}": "0x120",
    LOSS: "604800x120",
    EXPIRY: "604800x120",
    "storyfeed_gaps": "0x120",
    "storyfeed_failing_processes": "0x120",
    "storyfeed_dead_letters": "0x120",
    "storyfeed_retries_total": "5x120",
    "storyfeed_ids_reused_total": "0x120",
    'storyfeed_delay_seconds{quantile="0.99"}': "0.01x120",
}
CASES: dict[str, tuple[str, str, set[str]]] = {
    "StoryfeedNoStatus": ("storyfeed_status_age_seconds", "0+60x120", set()),
    "StoryfeedServiceUnreachable": ("storyfeed_problems", "1x120", set()),
    "StoryfeedUnhealthy": ("storyfeed_healthy", "0x120", set()),
    "StoryfeedNoRelay": ("storyfeed_relay_active", "0x120", set()),
    "StoryfeedOutboxNotDraining": ("storyfeed_outbox_oldest_seconds", "0+60x120", set()),
    "StoryfeedNoConsumer": ("storyfeed_consumers", "0x120", set()),
    "StoryfeedConsumerLagging": (f"storyfeed_lag_seconds{PARTITION}", "0+60x120", set()),
    "StoryfeedDataLossNear": (LOSS, "60000x120", set()),
    "StoryfeedDataLossImminent": (LOSS, "0x120", {"StoryfeedDataLossNear"}),
    "StoryfeedMarkerExpiryNear": (EXPIRY, "0x120", set()),
    "StoryfeedRecordsLost": ("storyfeed_gaps", "1x120", set()),
    "StoryfeedDeadLetters": ("storyfeed_dead_letters", "1x120", set()),
    "StoryfeedProcessFailing": ("storyfeed_failing_processes", "1x120", set()),
    "StoryfeedRetrying": ("storyfeed_retries_total", "0+60x120", set()),
    "StoryfeedIdsReused": ("storyfeed_ids_reused_total", "0x30 1x90", set()),
    "StoryfeedSlow": ('storyfeed_delay_seconds{quantile="0.99"}', "11x120", set()),
}


def values_of(notation: str) -> list[float]:
    """Return the values of each minute, such as [0, 60, 120] for `0+60x2`."""
    found: list[float] = []
    for part in notation.split():
        start, step, times = re.fullmatch(r"([\d.]+)(?:\+([\d.]+))?x(\d+)", part).groups()  # type: ignore[union-attr]
        found += [float(start) + float(step or 0) * number for number in range(int(times) + 1)]
    return found


def series_of(notations: dict[str, str]) -> Series:
    """Return the series of a case; the keys are names, with labels if there are any."""
    found: dict[str, dict[Labels, list[float]]] = {}
    for key, notation in notations.items():
        (selector,) = parse(key).selectors
        found.setdefault(selector.name, {})[selector.matched] = values_of(notation)
    return found


def fires(rule: dict[str, Any], series: Series) -> bool:
    """Return whether an alert fires: its expression has had a value for the time of `for`."""
    expression = parse(rule["expr"])
    minutes = range(EVALUATED - minutes_of(rule.get("for", "0m")), EVALUATED + 1)
    lasting = [set(expression.at(series, minute)) for minute in minutes]
    return bool(set.intersection(*lasting))


def firing(notations: dict[str, str]) -> set[str]:
    series = series_of(notations)
    return {rule["alert"] for rule in ALERTS if fires(rule, series)}


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(NAMES)


def test_no_alert_fires_in_a_healthy_pipeline() -> None:
    assert firing(HEALTHY) == set()


@pytest.mark.parametrize("alert", CASES)
def test_each_alert_fires_in_its_case_only(alert: str) -> None:
    series, values, others = CASES[alert]
    assert series in HEALTHY
    assert firing({**HEALTHY, series: values}) == {alert, *others}


def test_missing_metrics_fire_an_alert() -> None:
    absent = {name: text for name, text in HEALTHY.items() if name != "storyfeed_healthy"}
    assert firing(absent) == {"StoryfeedNoStatus"}


def test_an_alert_does_not_fire_before_its_time() -> None:
    for rule in ALERTS:
        if minutes := minutes_of(rule.get("for", "0m")):
            series, values, _ = CASES[rule["alert"]]
            late = f"{HEALTHY[series].partition('x')[0]}x{EVALUATED - minutes}"
            last = values.partition("x")[0].partition("+")
            worst = float(last[0]) + 3600 * bool(last[2])
            short = {**HEALTHY, series: f"{late} {worst:g}x120"}
            assert rule["alert"] not in firing(short), rule["alert"]
