"""The costs, and the command of the simulation."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from cdc.consumer import batches
from cdc.outbox import finder, queue, relay
from tests.bench.sharding import cluster, report
from tests.bench.sharding.__main__ import main
from tests.bench.sharding.costs import MEASURED, Cost, Costs, read_costs, write_costs


def test_a_line_is_found_again() -> None:
    line = Cost(900.0, 20.0)
    found = Cost.fitted({rows: line.of(rows) for rows in (1, 10, 100, 1_000)})
    assert (found.fixed, found.row) == pytest.approx((900.0, 20.0))


def test_large_batches_do_not_decide_alone() -> None:
    found = Cost.fitted({1: 110.0, 10: 200.0, 100: 1_100.0, 1_000: 12_000.0})
    assert found.of(1) == pytest.approx(110.0, rel=0.05)


def test_a_line_has_no_negative_part() -> None:
    assert Cost.fitted({1: 100.0, 1_000: 50.0}).row == 0.0
    assert Cost.fitted({1: 1.0, 1_000: 2_000.0}).fixed == 0.0
    assert Cost.fitted({1: 0.0}) == Cost(0.0, 0.0)


def test_file_has_all_costs_and_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    costs = Costs(**{each.name: Cost(1234.5678, 0.25) for each in fields(Costs)})
    write_costs(file, costs, ["Measured on 1 May 2026."])
    assert json.loads(file.read_text())["about"] == ["Measured on 1 May 2026."]
    assert read_costs(file).produce == Cost(1230.0, 0.25)


def test_default_costs_are_measured_ones() -> None:
    assert json.loads(MEASURED.read_text())["about"][0].startswith("Measured on ")
    found = read_costs()
    assert all(getattr(found, each.name).of(1) > 0 for each in fields(Costs))


def test_sizes_and_pauses_are_those_of_the_code() -> None:
    assert cluster.BATCH == finder.BATCH
    assert cluster.DELETED == queue.MOST_IDS
    assert cluster.RECORDS == batches.RECORDS
    pauses = (relay._SHORTEST_PAUSE, relay._LONGEST_PAUSE, relay._PAUSE_SHARE)
    assert pauses == (cluster.SHORTEST_PAUSE, cluster.LONGEST_PAUSE, cluster.PAUSE_SHARE)


@pytest.mark.slow
def test_command_prints_a_row_for_each_number_of_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "BACKLOG", 5_000)
    file, costs = tmp_path / "results.json", tmp_path / "costs.json"
    slow = {each.name: Cost(100.0, 20.0) for each in fields(Costs)}
    slow |= {"read_statements": Cost(1.0, 0.0), "apply_commands": Cost(5.0, 0.0)}
    write_costs(costs, Costs(**slow), [])
    load = ["--rate", "5000", "--seconds", "0.5", "--shards", "1,3"]
    assert main([*load, "--calibrate", str(costs), "--json", str(file)]) == 0
    results = json.loads(file.read_text())["results"]
    shown = [(each["cluster"]["shards"], each["cluster"]["column"]) for each in results]
    assert shown == [(1, True), (3, True), (1, False), (3, False)]
    assert all(each["p50_ms"] < each["p99_ms"] for each in results)
    text = capsys.readouterr().out
    assert "| 3 | computed |" in text
    assert "with a barrier: the order is kept" in text
    assert "without a barrier: the order is broken" in text


def test_delay_grows_if_changes_arrive_faster_than_they_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "BACKLOG", 5_000)
    costs = Costs(**{each.name: Cost(0.0, 0.0) for each in fields(Costs)})
    slow = replace(costs, produce=Cost(0.0, 100.0))  # at most 10,000 changes per second
    load = cluster.Load(rate=20_000, changes=2_000)
    assert "grows" not in report.row(load, cluster.Cluster(), costs).cells()
    assert report.row(load, cluster.Cluster(), slow).cells()[-2:] == ["grows", "grows"]
