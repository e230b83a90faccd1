"""The charts of the changes of the last hour."""

from datetime import UTC, datetime

import pytest

from cdc.mongo.throughput import Passed, throughput_of
from project.operations.rates import rates_of, read_rates, read_stage_charts, stage_charts
from project.pages import feed_state
from tests.support.latest import patient


def test_the_chart_has_a_column_for_each_minute() -> None:
    rates = rates_of([0.5, 0.0, 2.0], datetime(2026, 1, 2, 0, 1, 30, tzinfo=UTC))

    assert (rates.now, rates.most, rates.total) == (2.0, 2.0, 150)
    assert [slot.title for slot in rates.chart.slots] == [
        "23:58 UTC: 30",
        "23:59 UTC: 0",
        "00:00 UTC: 120",
    ]
    assert rates.chart.summary == (
        "Changes per minute in the last hour: 120 in the last minute, 120 at most, 150 in total"
    )


def test_the_labels_are_at_full_ten_minutes() -> None:
    rates = rates_of([1.0] * 60, datetime(2026, 1, 2, 18, 53, 20, tzinfo=UTC))
    labels = [mark.text for mark in rates.chart.marks]
    assert labels == ["18:00", "18:10", "18:20", "18:30", "18:40", "18:50"]


def test_rates_that_cannot_be_read_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_state, "rates", patient(lambda: None))
    assert read_rates() is None


PASSED = throughput_of(
    [
        Passed(captured=0, applied=1, changes=1_200, deletes=3, slowest=2.25),
        Passed(captured=2, applied=2, changes=4, deletes=0, slowest=0.04),
    ],
    3,
)


def test_each_stage_has_its_own_measure() -> None:
    charts = stage_charts(PASSED)
    assert {name: chart.most for name, chart in charts.items()} == {
        "Outbox": "1,200",
        "Relay": "1,203",
        "Topic": "1,200",
        "Consumers": "2.2 s",
        "Collections": "1,200",
    }
    assert charts["Consumers"].line.summary == (
        "Longest delay of a change in the last hour: 0.0 s in the last minute, 2.2 s at most"
    )


def test_a_stage_whose_numbers_cannot_be_read_is_a_flat_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_state, "throughput", patient(lambda: None))
    charts = read_stage_charts()
    assert len(charts) == 5
    assert all(chart.line.quiet and not chart.most for chart in charts.values())
    assert charts["Outbox"].line.summary == "Changes saved per minute in the last hour: not known"
