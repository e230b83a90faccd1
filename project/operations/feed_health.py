"""The delay and the rate of changes, as the live feed shows them next to the verdict."""

from dataclasses import dataclass

from project.charts.sparkline import Sparkline, sparkline
from project.pages import feed_state
from project.pages.feed_state import RATE_SECONDS, FeedState

_PATIENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """Figures of the pipeline; None means unknown."""

    lag: float | None
    """The age in seconds of the oldest change that is not in the replica."""
    rate: float | None
    """Changes per second in the last minute."""
    chart: Sparkline | None
    """The rate in each minute of the last hour."""


def feed_health(state: FeedState) -> FeedHealth:
    """Return the figures to show for a state."""
    reading = feed_state.rates.begin()(_PATIENCE)
    rates = reading.value if reading.value and not reading.problem else []
    return FeedHealth(
        lag=_lag(state),
        rate=rates[-1] if rates else None,
        chart=_chart(rates) if rates else None,
    )


def _lag(state: FeedState) -> float | None:
    status = state.reading.value
    if status is None or state.problems or status.missing_topics:
        return None
    return max(status.outbox_seconds, status.kafka_seconds)


def _chart(rates: list[float]) -> Sparkline:
    minutes = [each * RATE_SECONDS // 60 for each in range(len(rates), 0, -1)]
    return sparkline(
        rates,
        summary=f"Changes per second over the last {minutes[0]} minutes: {rates[-1]:.1f} now, "
        f"{max(rates):.1f} at most.",
        titles=[
            f"{minute} min ago: {rate:.1f}/s" for minute, rate in zip(minutes, rates, strict=True)
        ],
    )
