"""A consumer, which applies the records of its partitions to MongoDB."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from tests.bench.sharding.changes import Change
from tests.bench.sharding.cluster import RECORDS, Cluster
from tests.bench.sharding.costs import Costs, seconds
from tests.bench.sharding.engine import Cores, Events


class Consumer:
    """Reads a batch, applies it in one transaction, and begins again."""

    def __init__(
        self,
        events: Events,
        cluster: Cluster,
        costs: Costs,
        mongodb: Cores,
        partitions: Sequence[deque[Change]],
        applied: Callable[[Sequence[Change]], None],
    ) -> None:
        """`applied` is called with each batch when its transaction is committed."""
        self._events, self._cluster, self._costs = events, cluster, costs
        self._mongodb = mongodb
        self._partitions = partitions
        self._report = applied
        self._idle = True
        self._began = self._waited = 0.0
        self.busy = 0.0
        """The duration of all batches, without the waits for a free core of MongoDB."""

    def wake(self) -> None:
        """Begin if this consumer was waiting for records."""
        if self._idle:
            self._next()

    def _next(self) -> None:
        batch = self._poll()
        self._idle = not batch
        self._began = self._events.now
        if batch:
            work = seconds(self._costs.apply.of(len(batch)))
            self._events.after(work, partial(self._write, batch))

    def _poll(self) -> list[Change]:
        batch: list[Change] = []
        for partition in self._partitions:
            while partition and len(batch) < RECORDS:
                batch.append(partition.popleft())
        return batch

    def _write(self, batch: Sequence[Change]) -> None:
        work = seconds(self._costs.apply_mongodb.of(len(batch)))
        self._waited = self._mongodb.serve(work, partial(self._commit, batch))

    def _commit(self, batch: Sequence[Change]) -> None:
        # The commit also waits for a replica.
        trips = self._costs.apply_commands.of(len(batch)) + self._cluster.acknowledgement - 1
        self._events.after(trips * self._cluster.round_trip, partial(self._applied, batch))

    def _applied(self, batch: Sequence[Change]) -> None:
        self.busy += self._events.now - self._began - self._waited
        self._report(batch)
        self._next()
