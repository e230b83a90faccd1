"""What the consumer stores: positions, counters, dead letters and places in the history."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from cdc.consumer.conflicts import ATTEMPTS
from cdc.consumer.rejection_limit import RejectionLimit
from cdc.errors import Fatal, Fenced, Rejected, Retryable
from cdc.mongo.plan import Delivered, StoredPosition
from cdc.runtime import fault_points, telemetry
from cdc.testing.twins import MemoryReplica
from cdc.wire.event import Version
from cdc.wire.records import Record, TopicPartition
from tests.cdc.consumer.test_conflicts import BESIDE, partition, sent, unique_feed
from tests.cdc.consumer.test_consumer import TOPIC, Feed, one_partition, poison, unfit
from tests.support.builders import change, outgoing, tombstone


def test_the_history_holds_the_place_of_each_event_in_the_topic() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC), outgoing(change("u", 1, 2), TOPIC))
    feed.send(tombstone(change("d", 1, 3), TOPIC))

    feed.drain()

    number = one_partition(feed).partition
    places = [(item["partition"], item["offset"]) for item in feed.store.history.values()]
    assert places == [(number, 0), (number, 1), (number, 2)]


def test_what_is_around_a_lasting_conflict_is_applied_once_and_in_one_call() -> None:
    """These include records without an event, in the partition of the conflict and in others."""
    feed = unique_feed()
    other, held_up = (TopicPartition(TOPIC, partition(sent("c", key, 1, ""))) for key in (1, 2))
    unreadable = [replace(sent("c", key, 1, ""), value=b"?") for key in (1, 2)]
    feed.send(unreadable[1], sent("c", 2, 3, "a"), sent("c", BESIDE, 4, "beside"), unreadable[1])
    feed.send(unreadable[0], sent("u", 1, 5, "a"))

    with pytest.raises(Retryable):
        feed.consumer.run_once()
    assert feed.store.positions == {**feed.store.positions, other: 3, held_up: 1}
    for _ in range(2 * ATTEMPTS):
        with suppress(Retryable):
            feed.consumer.run_once()

    assert feed.titles() == {1: "a", BESIDE: "beside"}
    assert feed.store.positions == {**feed.store.positions, other: 3, held_up: 4}
    assert feed.source.stored[held_up] == 4
    assert set(feed.letters.kept) == {(other, 1), (held_up, 0), (held_up, 1), (held_up, 3)}
    assert "unique index" in feed.letters.kept[held_up, 1]
    assert feed.counters.counted[telemetry.DUPLICATE] == 0
    assert feed.counters.counted[telemetry.FENCED] == 0
    assert feed.counters.counted[telemetry.REJECTED] == 4


@pytest.mark.parametrize(("column", "key"), [("number", 1), ("id", 2**63)])
def test_an_event_that_no_row_can_have_is_not_stale(column: str, key: int) -> None:
    """The events name a column that is not the table's key, or a key that MongoDB cannot store."""
    feed = Feed()
    feed.send(outgoing(change("c", 1, 5), TOPIC))
    feed.drain()
    event = replace(change("u", key, 2), key_column=column)
    record = outgoing(replace(event, after={**(event.after or {}), "diggs": "many"}), TOPIC)

    feed.send(record)
    feed.drain()

    assert len(feed.letters.kept) == 1
    assert feed.counters.counted[telemetry.STALE] == 0


def test_stale_events_that_do_not_fit_count_as_applied() -> None:
    """A topic of old events with a few dead letters among them does not stop the consumer."""
    feed = Feed()
    feed.consumer._limit = RejectionLimit(maximum=2, window=4)
    feed.send(outgoing(change("c", 1, 100), TOPIC))
    feed.drain()

    for number in range(6):
        feed.send(*poison(1, number), *(unfit("u", 1, 2 + number) for _ in range(4)))
        feed.drain()

    assert len(feed.letters.kept) == 6
    assert feed.counters.counted[telemetry.STALE] == 24


def test_dead_letters_alone_stop_the_consumer() -> None:
    feed = Feed()
    feed.consumer._limit = RejectionLimit(maximum=2, window=4)
    feed.send(*poison(3))

    with pytest.raises(Fatal):
        feed.drain()


class Failing(MemoryReplica):
    """Fails each batch with `error`, while there is one."""

    error: Exception | None = None

    def before(self, batch: Sequence[Delivered]) -> None:
        if batch and self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "counted"),
    [(Retryable("away"), telemetry.RETRIED), (Fenced("moved"), telemetry.FENCED)],
)
def test_each_failure_is_counted_once_and_gives_the_partitions_up(
    error: Exception, counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "error", error)
    feed = Feed(Failing)
    feed.drain()
    feed.send(outgoing(change("c", 1, 1), TOPIC))

    with pytest.raises(Retryable) as raised:
        feed.consumer.run_once()

    assert raised.value is error
    assert feed.counters.counted == {counted: 1}
    assert not feed.source.started()
    assert feed.source.waiting()
    monkeypatch.setattr(Failing, "error", None)
    feed.drain()
    assert feed.titles() == {1: "version 1.1"}


def test_duplicates_and_stale_events_are_counted_as_such() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("u", 1, number), TOPIC) for number in (5, 6)))
    feed.drain()

    for number in (6, 5, 3):
        feed.send(outgoing(change("u", 1, number), TOPIC))
        feed.drain()

    assert +feed.counters.counted == {telemetry.DUPLICATE: 1, telemetry.STALE: 2}


class Flushes(Counter[str]):
    """Counters that record each flush."""

    flushes = 0

    def add(self, name: str, number: int = 1) -> None:
        self[name] += number

    def flush(self) -> None:
        self.flushes += 1


def test_counters_are_flushed_in_each_round_also_in_a_pause() -> None:
    feed, counters, paused = Feed(), Flushes(), [False]
    feed.consumer._counters, feed.consumer._paused = counters, lambda: paused[0]

    assert feed.consumer.run_once() is True
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    assert feed.consumer.run_once() is True
    assert counters.flushes == 2
    paused[0] = True
    assert feed.consumer.run_once() is True
    assert counters.flushes == 3


def test_counters_are_flushed_after_each_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, the retries during an outage would be counted only after the outage."""
    feed, counters = Feed(), Flushes()
    feed.consumer._counters = counters

    def fail(*_: object) -> None:
        raise Retryable("MongoDB is not responding.")

    feed.send(outgoing(change("c", 1, 1), TOPIC))
    monkeypatch.setattr(MemoryReplica, "apply", fail)
    for number in range(1, 7):
        with suppress(Retryable):
            feed.consumer.run_once()
        assert counters.flushes == number
    assert counters[telemetry.RETRIED] > 1


def test_a_poll_waits_for_a_fraction_of_a_second_and_for_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed, polls = Feed(), list[tuple[int, float]]()
    poll = type(feed.source).poll

    def recorded(source: object, limit: int, seconds: float) -> list[Record]:
        polls.append((limit, seconds))
        return poll(feed.source, limit, seconds)

    monkeypatch.setattr(type(feed.source), "poll", recorded)
    feed.drain()

    assert {limit for limit, _ in polls} == {1_000}
    assert all(0 < seconds <= 1 for _, seconds in polls), "a stop or a pause would wait for it"


class Checked(MemoryReplica):
    """A replica that records which partitions were checked."""

    checks: list[frozenset[TopicPartition]]

    def check(self, sources: frozenset[TopicPartition]) -> None:
        self.checks.append(sources)
        super().check(sources)


def test_a_consumer_checks_its_positions_once_a_second() -> None:
    feed = Feed(Checked)
    replica = feed.consumer._replica
    assert isinstance(replica, Checked)
    replica.checks = []

    feed.consumer.run_once()
    assert replica.checks == [feed.source.started()]
    for _ in range(3):
        feed.clock.sleep(0.25)
        feed.consumer.run_once()
    assert len(replica.checks) == 1
    feed.clock.sleep(0.25)
    feed.consumer.run_once()
    assert len(replica.checks) == 2
    feed.clock.sleep(5)
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.consumer.run_once()
    assert len(replica.checks) == 3, "a batch does not check the positions of other partitions"
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.consumer.run_once()
    assert len(replica.checks) == 3


class Picky(MemoryReplica):
    """Rejects the change with the outbox id 3."""

    def before(self, batch: Sequence[Delivered]) -> None:
        if any(item.event.version.outbox_id == 3 for item in batch):
            raise Rejected("no threes")


class Moved(Picky):
    """A replica whose positions are moved while a batch is examined."""

    moved_to: int | None = None

    def take_over(self, source: TopicPartition, topic_id: str) -> StoredPosition:
        position = super().take_over(source, topic_id)
        if self.moved_to is None or position.next_offset is None:
            return position
        self._store.positions[source] = self._expected[source] = self.moved_to
        return replace(position, next_offset=self.moved_to)


@pytest.mark.parametrize("offset", [0, 2])
def test_a_batch_is_dropped_if_its_partition_was_moved_meanwhile(offset: int) -> None:
    """A rewind has moved it back, to read records again, or forward, to skip records."""
    feed = Feed(Moved)
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    replica = feed.consumer._replica
    assert isinstance(replica, Moved)
    replica.moved_to = offset
    feed.send(outgoing(change("u", 1, 2), TOPIC), outgoing(change("u", 1, 3), TOPIC))

    with pytest.raises(Fenced, match="moved"):
        feed.consumer.run_once()

    assert feed.titles() == {1: "version 1.1"}
    assert not feed.letters.kept


def test_the_parts_of_a_split_batch_keep_the_order_of_each_row() -> None:
    feed = Feed(Picky)
    events = [change("c", 1, 1), change("u", 1, 2), change("u", 1, 3), change("u", 1, 4)]
    feed.send(*(outgoing(event, TOPIC) for event in events))

    feed.drain()

    assert feed.titles() == {1: "version 1.4"}
    assert [number for _, number in feed.store.history] == [1, 2, 4]
    assert feed.store.positions[one_partition(feed)] == 4
    assert +feed.counters.counted == {telemetry.REJECTED: 1}


def test_each_fault_point_is_passed_once_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests that kill and suspend processes at fault points depend on this."""
    points: list[str] = []
    monkeypatch.setattr(fault_points, "reach", points.append)
    feed = Feed()

    feed.consumer.run_once()
    assert points == [fault_points.CONSUMER_TAKEN] * 5
    points.clear()
    feed.send(*poison(1), outgoing(change("c", 1, 1), TOPIC))
    feed.consumer.run_once()
    assert points == [
        fault_points.CONSUMER_POLLED,
        fault_points.DEAD_LETTER_STORED,
        fault_points.CONSUMER_APPLIED,
    ]


class Unstorable(MemoryReplica):
    """A replica that refuses every key, as MongoDB refuses a key with millions of characters."""

    def version(self, table: str, key: object) -> Version | None:
        raise Rejected("MongoDB cannot store the key.")


def test_an_event_whose_key_mongodb_cannot_store_is_not_stale() -> None:
    feed = Feed(Unstorable)
    feed.send(unfit("u", 1, 2))

    feed.drain()

    assert len(feed.letters.kept) == 1
    assert feed.counters.counted[telemetry.STALE] == 0
