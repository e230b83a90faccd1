"""The alert rules and the dashboard use only exported metrics, and each alert is documented."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from shutil import which
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
from tests.support.status import busy_status, lag

RULES = ROOT / "compose/prometheus/storyfeed.rules.yaml"
DASHBOARD = ROOT / "compose/grafana/storyfeed.json"
DOCUMENT = ROOT / "docs/operating.md"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in ALERTS]
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
_NOT_NAMES = re.compile(
    r"""(?x) "[^"]*" | \{[^}]*\} | \[[^]]*\]      # strings, labels and durations
    | \b(?:by|on|without|ignoring)\s*\([^)]*\)    # lists of labels
    | \b(?:and|or|unless|bool|offset)\b | \b[a-z_]+\s*(?=\(|by\b)  # operators and functions"""
)


def metrics_in(expression: str) -> set[str]:
    """Return the names of the metrics in a PromQL expression."""
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", _NOT_NAMES.sub(" ", expression)))


def test_the_names_in_an_expression_are_found() -> None:
    expression = 'max by (a) (rate(b_total{c="d e"}[5m])) > 1 and on (f) absent(g) or min(h) == 0'
    assert metrics_in(expression) == {"b_total", "g", "h"}


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of all metrics that a web process exports."""
    full = busy_status(
        lags=(replace(lag(17, 2.0), seconds_to_loss=9.0, seconds_to_marker_expiry=8.0),),
        gaps=(),
        troubles=(),
        delays=delays_of([0.1, 0.2]),
        relay="host:1",
        consumers=2,
        counters=dict.fromkeys(COUNTERS, 4),
    )
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: full))
    text = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    return set(samples_of(text))


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_an_alert_uses_exported_metrics_only(rule: dict[str, Any], exported: set[str]) -> None:
    used = metrics_in(rule["expr"])
    assert used
    assert used <= exported


def test_a_panel_uses_exported_metrics_only(exported: set[str]) -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    assert expressions
    used = set(chain.from_iterable(map(metrics_in, expressions)))
    assert used <= exported


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_an_alert_is_complete_and_documented(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    name = rule["alert"]
    assert rule["annotations"]["runbook"] == f"docs/operating.md#{name.lower()}"
    section = DOCUMENT.read_text().partition(f"\n### {name}\n")[2].partition("\n#")[0]
    assert "**Meaning.**" in section
    assert "**What to do.**" in section


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


def promtool_case(series: dict[str, str], firing: set[str]) -> dict[str, Any]:
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(firing)]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "60m",
                "exp_samples": expected,
            }
        ],
    }


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(NAMES)


@pytest.mark.skipif(which("promtool") is None, reason="promtool is not installed")
def test_each_alert_fires_in_its_case_only(tmp_path: Path) -> None:
    cases = [promtool_case(HEALTHY, set())]
    for alert, (series, values, others) in CASES.items():
        assert series in HEALTHY
        cases.append(promtool_case({**HEALTHY, series: values}, {alert, *others}))
    absent = {name: text for name, text in HEALTHY.items() if name != "storyfeed_healthy"}
    cases.append(promtool_case(absent, {"StoryfeedNoStatus"}))
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": cases}))
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(file)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
