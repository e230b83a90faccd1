"""One run of the simulation: from the commits in the database to those in MongoDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.figures import percentile
from tests.bench.sharding.changes import Change, ShardOf, changes
from tests.bench.sharding.cluster import Cluster, Load, Resharding, Shard, shard_of
from tests.bench.sharding.consumers import Consumer
from tests.bench.sharding.costs import Costs
from tests.bench.sharding.engine import Cores, Events
from tests.bench.sharding.outbox import Outbox
from tests.bench.sharding.relays import Relay, Surroundings
from tests.bench.sharding.topic import Topic

RELAY, DATABASE, CONSUMER, MONGODB = "relay", "database", "consumer", "MongoDB"
_WARM_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run."""

    published: float
    """Changes per second until the last one was in Kafka."""
    applied: float
    """Changes per second until the last one was in MongoDB."""
    delays: Sequence[float]
    """The seconds from each commit in the database to that in MongoDB, ordered by the latter."""
    used: Mapping[str, float]
    """The share of the time in which each part was busy; for relays and consumers, the share of
    the busiest one."""

    @property
    def saturated(self) -> str:
        """The part that is busiest."""
        return max(self.used, key=self.used.__getitem__)

    def milliseconds(self, percent: float) -> float:
        """Return a percentile of the delays after the warm-up."""
        return percentile(self.delays[int(len(self.delays) * _WARM_SHARE) :], percent) * 1000


def simulate(
    load: Load,
    cluster: Cluster,
    costs: Costs,
    resharding: Resharding | None = None,
    shard_in: ShardOf = shard_of,
) -> Outcome:
    """Run until all changes are in MongoDB; raise OrderBrokenError if the order is not kept."""
    return _Run(changes(load, cluster, resharding, shard_in), cluster, costs, resharding).outcome()


class _Run:
    def __init__(
        self,
        found: Sequence[Change],
        cluster: Cluster,
        costs: Costs,
        resharding: Resharding | None,
    ) -> None:
        self._total = len(found)
        self._old = sum(change.shard.generation == 0 for change in found)
        self._resharding = resharding
        self._events = Events()
        self._database = Cores(self._events, cluster.database_cores)
        self._mongodb = Cores(self._events, cluster.mongodb_cores)
        self._topic = Topic(cluster.partitions)
        self._delays: list[float] = []
        self._published_at = 0.0
        self._relays: list[Relay] = []
        self._shared = Surroundings(
            events=self._events,
            cluster=cluster,
            costs=costs,
            outbox=Outbox(found),
            database=self._database,
            publish=self._publish,
        )
        self._consumers = [
            Consumer(
                *(self._events, cluster, costs, self._mongodb),
                self._topic.partitions[number :: cluster.consumers],
                self._applied,
            )
            for number in range(cluster.consumers)
        ]

    def outcome(self) -> Outcome:
        self._start(0, self._shared.cluster.shards)
        if self._resharding is not None and not self._resharding.barrier:
            self._events.at(self._resharding.at, self._start_new)
        self._events.run(lambda: len(self._delays) == self._total)
        now = self._events.now
        return Outcome(
            published=self._total / self._published_at,
            applied=self._total / now,
            delays=self._delays,
            used={
                RELAY: max(each.busy for each in self._relays) / now,
                DATABASE: self._database.used(),
                CONSUMER: max(each.busy for each in self._consumers) / now,
                MONGODB: self._mongodb.used(),
            },
        )

    def _start(self, generation: int, shards: int) -> None:
        new = [Relay(self._shared, Shard(generation, number)) for number in range(shards)]
        self._relays += new
        for relay in new:
            relay.start()

    def _start_new(self) -> None:
        assert self._resharding is not None
        self._start(1, self._resharding.shards)

    def _publish(self, batch: Sequence[Change]) -> None:
        self._topic.append(batch)
        self._published_at = self._events.now
        for consumer in self._consumers:
            consumer.wake()
        if (
            self._resharding is not None
            and self._resharding.barrier
            and batch[0].shard.generation == 0
            and self._topic.published[0] == self._old
        ):
            self._events.at(max(self._resharding.at, self._events.now), self._start_new)

    def _applied(self, batch: Sequence[Change]) -> None:
        self._delays += [self._events.now - change.committed for change in batch]
