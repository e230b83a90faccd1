"""Features of the in-memory twins for tests, which the real implementations do not have."""

import pytest

from cdc.errors import Rejected, Retryable
from cdc.testing.twins import FakeClock, MemoryBroker, MemoryReplica, MemoryStore
from tests.support.builders import ROUTES, SOURCE, change, delivered, outgoing


def test_a_clock_moves_only_when_someone_sleeps() -> None:
    clock = FakeClock(now=5.0)
    assert (clock.time(), clock.monotonic()) == (5.0, 5.0)
    clock.sleep(2)
    assert clock.time() == 7.0


def test_a_broker_that_is_down_takes_nothing() -> None:
    broker = MemoryBroker(down=True)
    with pytest.raises(Retryable, match="set `down` to False"):
        broker.publish([outgoing(change("c", 1, 1), "orders")], lambda: True)
    assert broker.logs == {}


def test_a_replica_rejects_what_bson_cannot_hold_and_changes_nothing() -> None:
    store = MemoryStore()
    replica = MemoryReplica(store, ROUTES, "a")
    replica.take_over(SOURCE, "topic 1")
    event = delivered(change("c", 1, 1))
    assert event.document is not None
    event.document["user"] = {"a\0b": 1}
    assert event.event.after is not None
    event.event.after["user"] = {"a\0b": 1}  # type: ignore[index]

    with pytest.raises(Rejected, match="NUL"):
        replica.apply([event], {SOURCE: 1})

    assert store.history == {}
    assert store.positions == {SOURCE: None}
