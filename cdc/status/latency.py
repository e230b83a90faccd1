"""The latency of changes, from their capture to the replica."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MINUTES = 5
MOST_CHANGES = 2_000
"""The number of newest changes to measure: enough for a 99th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Percentiles over the last `MINUTES`, in seconds; None when nothing was applied.

    Measured from the capture of a change, in its transaction, to its transaction in MongoDB, by
    the clocks of the two machines.
    """

    changes: int
    p50: float | None
    p95: float | None
    p99: float | None

    def milliseconds(self) -> dict[str, int | None]:
        """Return the percentiles by name, in whole milliseconds."""
        found = {"p50": self.p50, "p95": self.p95, "p99": self.p99}
        return {name: None if it is None else round(1000 * it) for name, it in found.items()}


def delays_of(seconds: Sequence[float]) -> Delays:
    ordered = sorted(seconds)
    return Delays(
        changes=len(ordered),
        p50=_percentile(ordered, 0.50),
        p95=_percentile(ordered, 0.95),
        p99=_percentile(ordered, 0.99),
    )


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of all values do not exceed."""
    if not ordered:
        return None
    return round(ordered[max(math.ceil(share * len(ordered)) - 1, 0)], 4)
