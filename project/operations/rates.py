"""The charts of the last hour: one for all changes, and one for each stage."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cdc.operations import Throughput
from project.charts.columns import ColumnChart, Series, column_chart
from project.charts.sparkline import Sparkline, sparkline
from project.pages import feed_state

_MINUTES = feed_state.RATE_SECONDS / 60
_MARK_MINUTES = 10


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
        # A label below the last column would not fit into the page.
        marked=[n for n, each in enumerate(begins[:-1]) if each.minute % _MARK_MINUTES == 0],
    )
    return Rates(chart=chart, now=now, most=most, total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageChart:
    """The last hour of one stage: a line, and a caption that says what it shows."""

    line: Sparkline
    caption: str
    most: str
    """The largest value, as text; empty if it is not known."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """What the chart of a stage shows."""

    field: str
    """A field of `Throughput`."""
    caption: str
    what: str
    """The caption for users of a screen reader, who do not see the scale."""
    unit: str = ""


_MEASURES = {
    "Outbox": _Measure("captured", "saved/min", "Changes saved per minute"),
    "Relay": _Measure("published", "sent/min", "Records sent to Kafka per minute"),
    "Topic": _Measure("in_transit", "in transit", "Changes in transit at the end of a minute"),
    "Consumers": _Measure("delays", "longest delay", "Longest delay of a change", " s"),
    "Collections": _Measure("applied", "applied/min", "Changes applied per minute"),
}


def read_stage_charts() -> dict[str, StageChart]:
    """Return the chart of each stage by its name. A chart without values is a flat line."""
    reading = feed_state.throughput.get()
    return stage_charts(None if reading.problem else reading.value)


def stage_charts(passed: Throughput | None) -> dict[str, StageChart]:
    """Return the chart of each stage by its name. `passed` is None if the numbers are not known."""
    return {name: _stage_chart(measure, passed) for name, measure in _MEASURES.items()}


def _stage_chart(measure: _Measure, passed: Throughput | None) -> StageChart:
    if passed is None:
        flat = [0.0] * feed_state.RATE_BINS
        line = sparkline(flat, summary=f"{measure.what} in the last hour: not known")
        return StageChart(line=line, caption=measure.caption, most="")
    values = getattr(passed, measure.field)
    now, most = _text(values[-1], measure), _text(max(values), measure)
    summary = f"{measure.what} in the last hour: {now} in the last minute, {most} at most"
    line = sparkline(values, summary=summary)
    return StageChart(line=line, caption=measure.caption, most=most)


def _text(value: float, measure: _Measure) -> str:
    return f"{value:,.1f}{measure.unit}" if measure.unit else f"{value:,}"
