"""A relay that publishes one shard of the outbox, with one batch in flight."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.bench.sharding.changes import Change
from tests.bench.sharding.cluster import (
    BATCH,
    DELETED,
    LONGEST_PAUSE,
    PAUSE_SHARE,
    SHORTEST_PAUSE,
    Cluster,
    Shard,
)
from tests.bench.sharding.costs import Costs, seconds
from tests.bench.sharding.engine import Cores, Events
from tests.bench.sharding.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all relays share."""

    events: Events
    cluster: Cluster
    costs: Costs
    outbox: Outbox
    database: Cores
    publish: Callable[[Sequence[Change]], None]
    """Appends a batch to the topic when Kafka has acknowledged it."""


class Relay:
    """Reads a batch, publishes it, waits for the acknowledgement, and begins again."""

    def __init__(self, shared: Surroundings, shard: Shard) -> None:
        self._shared = shared
        self._shard = shard
        self._sweeper = _Sweeper(shared, shard)
        self._highest = 0
        """The highest id that this relay has read."""
        self._began = self._waited = 0.0
        self._sent = 0.0
        self.busy = 0.0
        """The duration of all batches, without the waits for a free core of the database."""

    def start(self) -> None:
        self._began = self._shared.events.now
        self._shared.events.after(self._shared.cluster.round_trip / 2, self._ask)

    def _ask(self) -> None:
        """Let the database serve the read, which sees the rows committed until now."""
        shared = self._shared
        rows, passed = shared.outbox.read(self._shard, self._highest, shared.events.now)
        self._highest = max(self._highest, *(row.id for row in rows), 0)
        work = shared.costs.read_database.of(len(rows)) + self._gaps()
        if not shared.cluster.column:
            work += shared.costs.scan_database.row * passed
        self._waited = shared.database.serve(seconds(work), partial(self._receive, rows))

    def _gaps(self) -> float:
        """Return the database's part of the statement that looks for rows committed late.

        It is always needed, because the ids of other shards are gaps, too.
        """
        return self._shared.costs.read_database.fixed

    def _receive(self, rows: Sequence[Change]) -> None:
        shared, size = self._shared, len(rows)
        # This includes the statement that looks for gaps. Half a round trip has already passed.
        trips = shared.costs.read_statements.of(size) + 1 - 0.5
        took = seconds(shared.costs.read.of(size)) + trips * shared.cluster.round_trip
        if not rows:
            shared.events.after(took, self._pause)
            return
        took += seconds(shared.costs.produce.of(size))
        took += shared.cluster.acknowledgement * shared.cluster.round_trip
        shared.events.after(took, partial(self._acknowledged, rows))

    def _acknowledged(self, rows: Sequence[Change]) -> None:
        now = self._shared.events.now
        self.busy += now - self._began - self._waited
        self._sent = now
        self._shared.publish(rows)
        self._sweeper.add(rows)
        if len(rows) < BATCH:
            self._pause()
        else:
            self.start()

    def _pause(self) -> None:
        """Wait as the relay does: hardly at all under load, and longer when it is idle."""
        idle = self._shared.events.now - self._sent
        pause = min(max(idle * PAUSE_SHARE, SHORTEST_PAUSE), LONGEST_PAUSE)
        self._shared.events.after(pause, self.start)


class _Sweeper:
    """Deletes published rows while the relay works, one statement at a time."""

    def __init__(self, shared: Surroundings, shard: Shard) -> None:
        self._shared = shared
        self._shard = shard
        self._queue: deque[Sequence[Change]] = deque()
        self._idle = True

    def add(self, rows: Sequence[Change]) -> None:
        self._queue.extend(rows[at : at + DELETED] for at in range(0, len(rows), DELETED))
        if self._idle:
            self._next()

    def _next(self) -> None:
        self._idle = not self._queue
        if self._queue:
            self._shared.events.after(self._shared.cluster.round_trip, self._delete)

    def _delete(self) -> None:
        rows = self._queue.popleft()
        work = seconds(self._shared.costs.delete_database.of(len(rows)))
        self._shared.database.serve(work, partial(self._deleted, rows))

    def _deleted(self, rows: Sequence[Change]) -> None:
        self._shared.outbox.delete(self._shard, rows)
        self._next()
