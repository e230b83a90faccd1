"""Two consumers write the same story in two transactions, in every order of their steps.

Each transaction has three steps: begin, write and commit. Of two transactions that overlap, one
commits. The other consumer then repeats its batch, as after any failure.
"""

import threading
import time
from collections.abc import Iterator
from itertools import combinations

import pytest

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.replica import MongoReplica
from cdc.runtime import fault_points
from cdc.wire.records import TopicPartition
from tests.faults.scenarios import OTHER, Events, World, apply
from tests.faults.test_rules import (
    Removal,
    always_look_up,
    rarely_look_up,
    without_the_direct_marker,
    without_the_marker_of_an_insert,
)
from tests.support.builders import SOURCE, change, delivered

pytestmark = [pytest.mark.services, pytest.mark.faults]

STEPS = ("begin", "write", "commit")
ORDERS = [
    "".join("a" if place in places else "b" for place in range(2 * len(STEPS)))
    for places in combinations(range(2 * len(STEPS)), len(STEPS))
]
"""The consumer, `a` or `b`, that takes the next step."""
OVERLAPPING = [order for order in ORDERS if order not in {"aaabbb", "bbbaaa"}]
GATES = {fault_points.REPLICA_MOVED, fault_points.REPLICA_WRITTEN}
PAIRS = [
    pytest.param("cc", (), id="insert and insert"),
    pytest.param("cd", (), id="insert and delete"),
    pytest.param("ud", ("c",), id="update and delete"),
    pytest.param("dd", ("c",), id="delete and delete"),
    pytest.param("dd", (), id="delete and delete of an absent story"),
]
WAYS = [
    pytest.param(always_look_up, id="looked up"),
    pytest.param(rarely_look_up, id="direct"),
]
PATIENCE_SECONDS = 30.0


class Transaction:
    """Applies a batch in a thread that waits for permission before each step."""

    def __init__(self, replica: MongoReplica, events: Events, source: TopicPartition) -> None:
        self.committed = self._over = False
        self.began = self.ended = 0.0
        """When the last transaction began, and when it had been committed."""
        self._replica, self._source = replica, source
        self._batch = [delivered(change(*event), source=source) for event in events]
        self._allowed, self._waiting = threading.Semaphore(0), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._await()

    def step(self) -> None:
        """Allow one step, and wait until it is done; after a failure, do nothing."""
        if not self._over:  # An ended thread may be alive for a moment longer.
            self._waiting.clear()
            self._allowed.release()
            self._await()

    def finish(self) -> None:
        """Take the steps of a batch that was rolled back and is applied with a lookup."""
        for _ in range(4 * len(STEPS)):
            self.step()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def reach(self, point: str) -> None:
        """Wait for permission, if this transaction's thread reached the point."""
        if threading.current_thread() is not self._thread:
            return
        if point == fault_points.REPLICA_MOVED:
            self.began = time.monotonic()
        self._wait()

    def _wait(self) -> None:
        self._waiting.set()
        assert self._allowed.acquire(timeout=PATIENCE_SECONDS)

    def _await(self) -> None:
        assert self._waiting.wait(PATIENCE_SECONDS)

    def _run(self) -> None:
        try:
            self._wait()
            self._replica.apply(self._batch, {self._source: 1})
            self.ended, self.committed = time.monotonic(), True
        except Retryable:
            self._replica.forget()
        finally:
            self._over = True
            self._waiting.set()


class Pair:
    """Two consumers, `a` and `b`, which write one story from two partitions."""

    def __init__(self, world: World, operations: str, before: tuple[str, ...]) -> None:
        self.world = world
        self.operations = operations
        if before:
            apply(world, world.owner("before"), [(op, 1, 1) for op in before], 1)
        self._sources = {"a": SOURCE, "b": OTHER}
        self.events: dict[str, Events] = {
            name: [(operation, 1, 10 + number)]
            for number, (name, operation) in enumerate(zip("ab", operations, strict=True))
        }
        self.transactions: dict[str, Transaction] = {}

    def run(self, order: str, patch: pytest.MonkeyPatch) -> int:
        """Take the steps in this order, and return how many transactions committed."""
        patch.setattr(fault_points, "reach", self._reach)
        for name, source in self._sources.items():
            owner = self.world.owner(f"{name} {order}", source)
            self.transactions[name] = Transaction(owner, self.events[name], source)
        for name in order:
            self.transactions[name].step()
            self.world.look()
        for transaction in self.transactions.values():
            transaction.finish()
        return sum(each.committed for each in self.transactions.values())

    @property
    def both_committed_while_they_overlapped(self) -> bool:
        a, b = self.transactions.values()
        return a.committed and b.committed and a.began < b.ended and b.began < a.ended

    def repeat_failed(self) -> None:
        """Apply the batch that was not committed again, and compare the end with the rows."""
        for name, transaction in self.transactions.items():
            if not transaction.committed:
                source = self._sources[name]
                owner = self.world.owner(f"{name} again", source)
                assert apply(self.world, owner, self.events[name], 1, source=source)
        self.world.look()
        self.world.end(**({"s1": 11} if self.operations[-1] != "d" else {}))

    def _reach(self, point: str) -> None:
        if point in GATES:
            for transaction in self.transactions.values():
                transaction.reach(point)


@pytest.fixture
def worlds(feed_settings: CdcSettings) -> Iterator["Worlds"]:
    worlds = Worlds(feed_settings)
    yield worlds
    worlds.close()


class Worlds:
    """Yields a replica without documents and positions for each order."""

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._world = World(settings)

    def new(self) -> World:
        database = self._world.client[self._settings.mongodb_database]
        for name in database.list_collection_names():
            database[name].delete_many({})
        self._world.client.close()
        self._world = World(self._settings)
        return self._world

    def close(self) -> None:
        self._world.client.drop_database(self._settings.mongodb_database)
        self._world.client.close()


def test_all_orders_are_distinct_and_complete() -> None:
    assert len(set(ORDERS)) == 20
    assert {order.count("a") for order in ORDERS} == {len(STEPS)}
    # The six orders of the writes and commits alone.
    assert len({"".join(_without_begin(order)) for order in ORDERS}) == 6


def _without_begin(order: str) -> Iterator[str]:
    return (name for place, name in enumerate(order) if name in order[:place])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("operations", "before"), PAIRS)
def test_no_order_of_two_transactions_ends_wrong(
    worlds: Worlds,
    monkeypatch: pytest.MonkeyPatch,
    way: Removal,
    operations: str,
    before: tuple[str, ...],
) -> None:
    way(monkeypatch)
    committed = {}
    for order in ORDERS:
        world = worlds.new()
        pair = Pair(world, operations, before)
        committed[order] = pair.run(order, monkeypatch)
        assert not pair.both_committed_while_they_overlapped, order
        pair.repeat_failed()
        assert world.violations == [], order

    assert set(committed.values()) <= {1, 2}
    if way is always_look_up:
        # A batch without a lookup can be rolled back and begin again, which changes the order of
        # the steps.
        assert committed["aaabbb"] == committed["bbbaaa"] == 2
        assert {committed[order] for order in OVERLAPPING} == {1}


@pytest.mark.parametrize(
    ("way", "remove"),
    [
        pytest.param(always_look_up, without_the_marker_of_an_insert, id="looked up"),
        pytest.param(rarely_look_up, without_the_direct_marker, id="direct"),
    ],
)
def test_without_the_marker_an_order_ends_wrong(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch, way: Removal, remove: Removal
) -> None:
    way(monkeypatch)
    remove(monkeypatch)
    wrong = []
    for order in OVERLAPPING:
        world = worlds.new()
        pair = Pair(world, "cd", ())
        pair.run(order, monkeypatch)
        pair.repeat_failed()
        if world.violations:
            wrong.append(order)

    assert wrong
