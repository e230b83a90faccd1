"""The chart of the changes of the last hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from project.charts.columns import ColumnChart, Series, column_chart
from project.pages import feed_state

_MINUTES = feed_state.RATE_SECONDS / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How many changes reached the replica in each minute of the last hour."""

    chart: ColumnChart
    now: float
    """Changes per second in the last minute."""
    most: float
    """Changes per second in the busiest minute."""
    total: int


def read_rates() -> Rates | None:
    """Return the rates; None if they could not be read."""
    reading = feed_state.rates.get()
    if not reading.value or reading.problem:
        return None
    return rates_of(reading.value, datetime.now(UTC) - timedelta(seconds=reading.seconds))


def rates_of(rates: list[float], until: datetime) -> Rates:
    """Return the chart of these rates per second; the last interval ends at `until`."""
    counts = [round(rate * feed_state.RATE_SECONDS) for rate in rates]
    begins = [until - timedelta(minutes=_MINUTES * place) for place in range(len(rates), 0, -1)]
    labels = [f"{begin:%H:%M}" for begin in begins]
    total = sum(counts)
    now, most = rates[-1], max(rates)
    chart = column_chart(
        [Series("Changes", counts)],
        labels=labels,
        titles=[f"{label} UTC: {n:,}" for label, n in zip(labels, counts, strict=True)],
        summary=f"Changes per minute in the last hour: {counts[-1]:,} in the last minute, "
        f"{max(counts):,} at most, {total:,} in total",
    )
    return Rates(chart=chart, now=now, most=most, total=total)
