"""The tables of the simulation."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from tests.bench.sharding.cluster import Cluster, Load, Resharding
from tests.bench.sharding.costs import Costs, seconds
from tests.bench.sharding.simulation import Outcome, simulate
from tests.bench.sharding.topic import OrderBrokenError
from tests.docs.markdown import table

_HEAD = (
    *("shards", "shard is", "published/s", "applied/s"),
    *("relay", "database", "consumer", "MongoDB", "saturates first", "p50, ms", "p99, ms"),
)
BACKLOG = 100_000
"""The backlog has at least this many changes."""
_RESHARDING_SECONDS = 2.0
_OVERLOAD = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The results with one number of shards."""

    cluster: Cluster
    backlog: Outcome
    """The results for a backlog."""
    steady: Outcome | None
    """The delays at the rate of the load; None if the backlog is copied more slowly."""

    def cells(self) -> list[str]:
        shares = [f"{100 * share:.0f} %" for share in self.backlog.used.values()]
        delays = ["grows", "grows"]
        if self.steady is not None:
            delays = [f"{self.steady.milliseconds(percent):.1f}" for percent in (50, 99)]
        return [
            *(f"{self.cluster.shards}", "a column" if self.cluster.column else "computed"),
            *(f"{self.backlog.published:,.0f}", f"{self.backlog.applied:,.0f}"),
            *(*shares, self.backlog.saturated, *delays),
        ]

    def values(self) -> dict[str, object]:
        """Return the results for a JSON file."""
        steady = self.steady
        return {
            "cluster": asdict(self.cluster),
            "published_per_second": self.backlog.published,
            "applied_per_second": self.backlog.applied,
            "used": dict(self.backlog.used),
            "saturated": self.backlog.saturated,
            "p50_ms": None if steady is None else steady.milliseconds(50),
            "p99_ms": None if steady is None else steady.milliseconds(99),
        }


def rows(load: Load, cluster: Cluster, costs: Costs, shards: Sequence[int]) -> Iterator[Row]:
    """Yield the results for each number of shards, with a shard column and without."""
    for column in (True, False):
        for number in shards:
            yield row(load, replace(cluster, shards=number, column=column), costs)


def row(load: Load, cluster: Cluster, costs: Costs) -> Row:
    waiting = replace(load, waiting=True, changes=max(load.changes, BACKLOG))
    backlog = simulate(waiting, cluster, costs)
    fast = backlog.applied > load.rate
    steady = simulate(load, cluster, costs) if fast else None
    return Row(cluster=cluster, backlog=backlog, steady=steady)


def as_table(found: Sequence[Row]) -> str:
    return table(_HEAD, (each.cells() for each in found))


def writers(load: Load, costs: Costs) -> str:
    """Return a sentence that says how busy the writers alone keep the database.

    The fixed part of a commit is left out, because simultaneous writers share it.
    """
    used = seconds(load.rate * costs.commit.row)
    return (
        f"Not simulated: the commits of {load.rate:,.0f} changes per second keep at least "
        f"{used:.1f} cores of the database busy."
    )


def resharding(load: Load, cluster: Cluster, costs: Costs, before: int, after: int) -> list[str]:
    """Return what happens if the number of shards changes while rows are waiting."""
    cluster = replace(cluster, shards=before)
    waiting = replace(load, waiting=True, changes=BACKLOG)
    rate = _OVERLOAD * simulate(waiting, cluster, costs).published
    load = replace(load, rate=rate, changes=int(rate * _RESHARDING_SECONDS))
    found = []
    for barrier in (True, False):
        change = Resharding(at=_RESHARDING_SECONDS / 2, shards=after, barrier=barrier)
        name = "with" if barrier else "without"
        what = (
            f"From {before} to {after} shards at {rate:,.0f} changes per second, {name} a barrier"
        )
        try:
            run = simulate(load, cluster, costs, change)
        except OrderBrokenError as error:
            found.append(f"{what}: the order is broken. {error}")
        else:
            longest = max(run.delays)
            found.append(f"{what}: the order is kept, and the longest delay is {longest:.2f} s.")
    return found
