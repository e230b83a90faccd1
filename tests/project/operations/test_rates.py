"""The chart of the changes of the last hour."""

from datetime import UTC, datetime

import pytest

from project.operations.rates import rates_of, read_rates
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


def test_rates_that_cannot_be_read_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_state, "rates", patient(lambda: None))
    assert read_rates() is None
