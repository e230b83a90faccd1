"""How long the consumers can stay offline before something that they need is gone."""

from dataclasses import replace

from cdc.status.facts import PartitionLag

_DAY_SECONDS = 86_400


def with_horizon(lag: PartitionLag, kept_seconds: float | None, marker_days: int) -> PartitionLag:
    """Add the time until Kafka or MongoDB forgets what the first unapplied record needs.

    `kept_seconds` is how long Kafka keeps records; None if that is unlimited or unknown. The first
    unapplied record is the oldest. If all records are applied, the next new record counts instead.
    """
    return replace(
        lag,
        seconds_to_loss=0.0 if lag.lost else _left(kept_seconds, lag.seconds),
        seconds_to_marker_expiry=_left(marker_days * _DAY_SECONDS, lag.seconds),
    )


def _left(kept_seconds: float | None, age: float | None) -> float | None:
    return None if kept_seconds is None or age is None else max(kept_seconds - age, 0.0)
