"""The latency of changes, from their capture to the replica."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MINUTES = 5
MOST_CHANGES = 2_000
"""The maximum number of newest changes that are measured; enough for a 99th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Percentiles, in seconds, of the changes applied in the last `MINUTES`; None without changes.

    A delay starts at the capture of a change and ends at the transaction in MongoDB. The two times
    come from the clocks of two machines.
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
    """Return the nearest-rank percentile."""
    if not ordered:
        return None
    return round(ordered[max(math.ceil(share * len(ordered)) - 1, 0)], 4)
