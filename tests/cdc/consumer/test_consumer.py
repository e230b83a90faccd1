"""The consumer with in-memory twins: tombstones, malformed messages, fencing and replays."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cdc.consumer.consumer import ReplicaConsumer
from cdc.consumer.old_events import OldEvents
from cdc.consumer.rejection_limit import MAX_REJECTED
from cdc.errors import Fatal, Fenced, Rejected, Retryable
from cdc.mongo.plan import Applied, Delivered, Route
from cdc.runtime import telemetry
from cdc.runtime.retry import run_until_stopped
from cdc.testing.twins import (
    FakeClock,
    MemoryBroker,
    MemoryReplica,
    MemoryRows,
    MemorySource,
    MemoryStore,
)
from cdc.wire.records import Outgoing, Record, TopicPartition
from tests.support.builders import COLLECTIONS, ROUTES, change, outgoing, tombstone

TOPIC = "story-events"
MARKER_DAYS = 7


class Letters:
    """An in-memory store of dead letters."""

    def __init__(self) -> None:
        self.kept: dict[tuple[TopicPartition, int], str] = {}
        self.full = False

    def store(self, record: Record, topic_id: str, reason: str) -> bool:
        if self.full:
            raise Fatal("no room")
        new = (record.source, record.offset) not in self.kept
        self.kept.setdefault((record.source, record.offset), reason)
        return new


class Tally:
    """In-memory counters."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def add(self, name: str, number: int = 1) -> None:
        self.counted[name] += number

    def flush(self) -> None:
        """Do nothing, because there is no database."""


class Feed:
    """An in-memory broker, an in-memory replica, and the consumer between them."""

    def __init__(
        self,
        replica: type[MemoryReplica] = MemoryReplica,
        routes: Mapping[str, Route] = ROUTES,
    ) -> None:
        self.routes = routes
        self.broker, self.store, self.letters = MemoryBroker(), MemoryStore(), Letters()
        self.source: MemorySource
        self.counters = Tally()
        self.epoch: int | None = 1
        self.questions = 0
        self.clock = FakeClock()
        self.rows = MemoryRows()
        self.replica = replica
        self.restart()

    def restart(self, owner: str = "a") -> None:
        self.source = self.broker.source(TOPIC)
        self.consumer = ReplicaConsumer(
            source=self.source,
            topics=self.broker,
            replica=self.replica(self.store, self.routes, owner),
            dead_letters=self.letters,
            routes=self.routes,
            source_epoch=self.source_epoch,
            old_events=OldEvents(self.rows, self.clock, MARKER_DAYS),
            counters=self.counters,
            clock=self.clock,
        )

    def source_epoch(self) -> int:
        self.questions += 1
        if self.epoch is None:
            raise Retryable("the database is unreachable")
        return self.epoch

    def send(self, *records: Outgoing) -> None:
        self.broker.publish(records, lambda: True)

    def drain(self) -> None:
        for _ in range(3):
            self.consumer.run_once()

    def titles(self) -> dict[object, str]:
        (titles, *others) = (
            {key: item["title"] for key, item in self.store.collection(name).items()}
            for name in COLLECTIONS
        )
        assert all(other == titles for other in others)
        return {key: str(title) for key, title in titles.items()}


def test_events_reach_all_collections() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 20)))

    feed.drain()

    assert feed.titles() == {key: f"version 1.{key}" for key in range(1, 20)}
    assert sum(feed.source.stored.values()) == 19


def test_a_version_that_is_used_again_is_a_dead_letter_and_delays_nothing() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 9)))
    feed.drain()
    feed.counters.counted.clear()

    feed.send(
        outgoing(change("u", 3, 3, title="lost"), TOPIC),
        outgoing(change("u", 4, 1), TOPIC),
        *(outgoing(change("u", key, 10 + key), TOPIC) for key in range(1, 9)),
        outgoing(change("c", 1, 1), TOPIC),
    )
    feed.drain()

    assert feed.titles() == {key: f"version 1.{10 + key}" for key in range(1, 9)}
    assert len(feed.letters.kept) == 2
    assert all("with different content" in reason for reason in feed.letters.kept.values())
    assert feed.counters.counted[telemetry.REJECTED] == 2
    assert feed.counters.counted[telemetry.DUPLICATE] == 0


@pytest.mark.parametrize("parts", [[3], [2, 1], [1, 1, 1]])
def test_a_delete_and_its_tombstone_are_one_change(parts: list[int]) -> None:
    feed = Feed()
    delete = change("d", 1, 2)
    sent = [
        outgoing(change("c", 1, 1), TOPIC),
        outgoing(delete, TOPIC),
        tombstone(delete, TOPIC),
    ]
    for part in parts:
        feed.send(*(sent.pop(0) for _ in range(part)))
        feed.drain()

    assert feed.titles() == {}
    assert max(feed.source.stored.values()) == 3
    assert not feed.letters.kept
    assert [item["op"] for item in feed.store.history.values()] == ["c", "d"]
    assert feed.store.history[1, 2]["before"] == delete.before, "the whole row, not just its key"
    assert not +feed.counters.counted


def test_a_replayed_delete_counts_once() -> None:
    feed = Feed()
    delete = change("d", 1, 2)
    pair = outgoing(delete, TOPIC), tombstone(delete, TOPIC)
    feed.send(outgoing(change("c", 1, 1), TOPIC), *pair)
    feed.drain()

    feed.send(*pair)
    feed.drain()

    assert feed.counters.counted["duplicates_absorbed"] == 1


def test_a_tombstone_alone_deletes_the_story() -> None:
    """Compaction has removed the delete before the consumer could read it."""
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC), outgoing(change("c", 2, 2), TOPIC))
    feed.drain()

    feed.send(tombstone(change("d", 1, 3), TOPIC))
    feed.drain()

    assert feed.titles() == {2: "version 1.2"}
    assert feed.store.history[1, 3]["before"] == {"id": 1}
    assert not feed.letters.kept
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.drain()
    assert feed.titles() == {2: "version 1.2"}, "an older event brought the story back"


def test_an_older_tombstone_deletes_nothing() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 5), TOPIC), tombstone(change("d", 1, 4), TOPIC))

    feed.drain()

    assert feed.titles() == {1: "version 1.5"}


def test_a_deleted_story_that_was_created_again_lives() -> None:
    feed = Feed()
    feed.send(tombstone(change("d", 1, 4), TOPIC), outgoing(change("c", 1, 5), TOPIC))

    feed.drain()

    assert feed.titles() == {1: "version 1.5"}


@pytest.mark.parametrize(
    "foreign",
    [
        {"headers": ()},
        {"headers": (("traceparent", b"00-1-2-01"),)},
        {"key": b'{"another":1}'},
    ],
)
def test_a_foreign_tombstone_is_ignored_and_logged_once(
    foreign: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    feed = Feed()
    mine = tombstone(change("d", 1, 2), TOPIC)
    feed.send(outgoing(change("c", 1, 1), TOPIC), *[replace(mine, **foreign)] * 3)

    feed.drain()

    assert feed.titles() == {1: "version 1.1"}
    assert not feed.letters.kept
    logged = [item for item in caplog.records if item.message == telemetry.TOMBSTONE_IGNORED]
    assert len(logged) == 1


@pytest.mark.parametrize(
    ("malformed", "reason"),
    [
        ({"headers": (("epoch", b"1"),)}, "The tombstone's version is not"),
        ({"headers": (("epoch", b"1"), ("outbox_id", b"-2"))}, "The tombstone's version"),
        ({"headers": (("epoch", b"1"), ("outbox_id", b"\xb2"))}, "The tombstone's version"),
        ({"headers": (("epoch", b"1"), ("outbox_id", b"9" * 19))}, "not a number from 0"),
        ({"headers": (("epoch", b"7"), ("outbox_id", b"2"))}, "The message has epoch 7"),
        ({"key": b'{"id":"one"}'}, "id"),
        ({"key": b"17"}, "The key"),
    ],
)
def test_a_tombstone_that_names_an_impossible_delete_is_a_dead_letter(
    malformed: dict[str, Any], reason: str
) -> None:
    feed = Feed()
    mine = tombstone(change("d", 1, 2), TOPIC)
    feed.send(outgoing(change("c", 1, 1), TOPIC), replace(mine, **malformed))

    feed.drain()

    assert feed.titles() == {1: "version 1.1"}
    (kept,) = feed.letters.kept.values()
    assert reason in kept


def test_a_tombstone_of_two_possible_tables_is_ignored() -> None:
    routes = {**ROUTES, "other": replace(ROUTES["stories_story"], table="other")}
    feed = Feed(routes=routes)
    feed.send(outgoing(change("c", 1, 1), TOPIC), tombstone(change("d", 1, 2), TOPIC))

    feed.drain()

    assert feed.titles() == {1: "version 1.1"}
    assert not feed.letters.kept


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "source is not a JSON object"),
        (b'{"op":"c","source":{"table":"users_user"}}', "The message has the key field"),
    ],
)
def test_an_unrecognised_message_is_a_dead_letter_and_delays_nothing(
    value: bytes, reason: str
) -> None:
    feed = Feed()
    good = outgoing(change("c", 1, 1), TOPIC)
    feed.send(replace(good, value=value), good)

    feed.drain()

    assert feed.titles() == {1: "version 1.1"}
    assert len(feed.letters.kept) == 1


def test_an_epoch_above_the_databases_is_a_dead_letter() -> None:
    feed = Feed()
    forged = outgoing(change("u", 1, 1, epoch=2**63 - 1), TOPIC)
    feed.send(outgoing(change("c", 1, 1), TOPIC), forged, outgoing(change("u", 1, 2), TOPIC))

    feed.drain()

    assert feed.titles() == {1: "version 1.2"}
    assert list(feed.letters.kept.values()) == [
        "The message has epoch 9223372036854775807, but the database has epoch 1."
    ]


def test_the_database_is_asked_once_for_an_epoch() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 20)))
    feed.drain()
    assert feed.questions == 1

    feed.epoch = 2
    feed.send(*(outgoing(change("u", key, 1, epoch=2), TOPIC) for key in range(1, 20)))
    feed.drain()

    assert feed.titles() == dict.fromkeys(range(1, 20), "version 2.1")
    assert feed.questions == 2


def test_an_epoch_is_not_rejected_while_the_database_is_unreachable() -> None:
    feed = Feed()
    feed.drain()
    feed.epoch = None
    feed.send(outgoing(change("c", 1, 1), TOPIC))

    with pytest.raises(Retryable):
        feed.consumer.run_once()
    assert not any(feed.store.positions.values())

    feed.epoch = 1
    feed.drain()

    assert feed.titles() == {1: "version 1.1"}
    assert not feed.letters.kept


def test_an_old_event_of_a_deleted_row_brings_nothing_back() -> None:
    feed = Feed()
    feed.clock.now = 1_800_000_000  # so that the events are older than any delete marker
    feed.rows.deleted = {1}
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in (1, 2)))

    feed.drain()

    assert feed.titles() == {2: "version 1.2"}


def test_a_consumer_that_cannot_store_a_dead_letter_stops_before_its_offset() -> None:
    feed = Feed()
    feed.letters.full = True
    feed.send(replace(outgoing(change("c", 1, 1), TOPIC), value=b"?"))
    feed.consumer.run_once()

    with pytest.raises(Fatal):
        feed.consumer.run_once()

    assert not any(feed.store.positions.values())


def test_a_document_that_the_replica_rejects_is_found_among_good_ones() -> None:
    class Picky(MemoryReplica):
        def before(self, batch: Sequence[Delivered]) -> None:
            if any(item.event.key == 3 for item in batch):
                raise Rejected("no threes")

    feed = Feed(Picky)
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in (1, 2, 3, 4)))

    feed.drain()

    assert set(feed.titles()) == {1, 2, 4}
    assert list(feed.letters.kept.values()) == ["no threes"]


def test_a_rejected_message_that_cannot_be_stored_stays_after_the_position() -> None:
    class Refusing(MemoryReplica):
        def before(self, batch: Sequence[Delivered]) -> None:
            if batch:
                raise Rejected("nothing")

    feed = Feed(Refusing)
    feed.letters.full = True
    feed.send(outgoing(change("c", 1, 1), TOPIC))

    with pytest.raises(Fatal):
        feed.drain()

    assert not any(feed.store.positions.values())


def test_a_consumer_that_lost_its_partition_writes_nothing_and_takes_it_over_again() -> None:
    feed = Feed()
    feed.drain()
    old, old_source = feed.consumer, feed.source
    feed.restart("b")
    feed.drain()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    before = dict(feed.store.owners)

    with pytest.raises(Fenced):
        old.run_once()

    assert feed.titles() == {}
    assert feed.store.owners == before
    assert old_source.waiting()
    old.run_once()
    old.run_once()
    assert feed.titles() == {1: "version 1.1"}


def test_after_a_failure_the_batch_is_read_again() -> None:
    class Flaky(MemoryReplica):
        failures = 2

        def before(self, batch: Sequence[Delivered]) -> None:
            if batch and type(self).failures:
                type(self).failures -= 1
                raise Retryable("unreachable")

    feed = Feed(Flaky)
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    for _ in range(8):
        try:
            feed.consumer.run_once()
        except Retryable:
            assert feed.source.waiting()

    assert feed.titles() == {1: "version 1.1"}
    assert Flaky.failures == 0


def test_a_restarted_consumer_resumes_at_the_replicas_position() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()

    feed.restart("b")
    feed.drain()
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.drain()

    assert feed.titles() == {1: "version 1.2"}
    assert len(feed.store.history) == 2
    assert feed.counters.counted.total() == 0, "nothing was read again"


def test_a_replay_from_the_start_changes_nothing() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC), outgoing(change("d", 1, 2), TOPIC))
    feed.send(outgoing(change("c", 2, 3), TOPIC), outgoing(change("u", 2, 4), TOPIC))
    feed.drain()
    titles = feed.titles()

    feed.store.positions = dict.fromkeys(feed.store.positions, None)
    feed.restart("b")
    feed.drain()

    assert feed.titles() == titles == {2: "version 1.4"}


def test_a_rejected_document_is_found_with_few_tries_and_counted_once() -> None:
    tries = []

    class Picky(MemoryReplica):
        def before(self, batch: Sequence[Delivered]) -> None:
            tries.append(len(batch))
            if any(item.event.key == 300 for item in batch):
                raise Rejected("not this one")

    feed = Feed(Picky)
    bad = outgoing(change("c", 999, 999), TOPIC)
    feed.send(replace(bad, value=b"?"))
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 501)))

    feed.drain()

    assert feed.titles().keys() == set(range(1, 501)) - {300}
    assert min(feed.letters.kept.values()).startswith("The value is not JSON")
    assert len(feed.letters.kept) == 2
    assert len(tries) < 25


def poison(count: int, first: int = 1) -> list[Outgoing]:
    good = outgoing(change("c", 1, 1), TOPIC)
    return [replace(good, value=b"poison %d" % number) for number in range(first, first + count)]


def run(feed: Feed, batches: int = 20) -> None:
    """Run the consumer in its retry loop, for a number of batches."""
    left = iter(range(batches))
    run_until_stopped(
        feed.consumer.run_once,
        stopped=lambda: next(left, None) is None,
        on_retry=lambda _error, _delay: None,
        pause=lambda: None,
        clock=FakeClock(),
    )


def test_a_topic_of_bad_messages_stops_the_consumer_and_skips_nothing() -> None:
    feed = Feed()
    feed.send(*poison(MAX_REJECTED + 50), outgoing(change("c", 1, 1), TOPIC))

    with pytest.raises(Fatal, match=r"101 of the last 101 messages became dead letters.*start"):
        run(feed)

    assert not any(feed.store.positions.values())
    assert len(feed.letters.kept) == MAX_REJECTED + 1

    feed.restart("b")
    run(feed)
    assert feed.titles() == {1: "version 1.1"}
    assert len(feed.letters.kept) == MAX_REJECTED + 50


def test_a_restarted_consumer_gets_as_far_again() -> None:
    feed = Feed()
    feed.send(*poison(1_000))

    starts = 0
    while len(feed.letters.kept) < 1_000 and starts < 20:
        starts += 1
        feed.restart(f"start {starts}")
        with suppress(Fatal):
            run(feed)

    assert starts == 10


def test_one_bad_message_in_twenty_does_not_stop_the_consumer() -> None:
    feed = Feed()
    for number in range(100):
        good = [change("c", key, key) for key in range(number * 19 + 1, number * 19 + 20)]
        feed.send(*poison(1, number), *(outgoing(event, TOPIC) for event in good))

    run(feed)

    assert len(feed.letters.kept) == 100
    assert len(feed.titles()) == 1_900


def test_a_dead_letter_is_stored_with_the_topics_id() -> None:
    kept: list[tuple[str, int]] = []

    class Strict(Letters):
        def store(self, record: Record, topic_id: str, reason: str) -> bool:
            kept.append((topic_id, record.offset))
            return True

    feed = Feed()
    feed.letters = Strict()
    feed.restart()
    feed.send(*poison(1))

    feed.drain()

    assert kept == [("id of story-events", 0)]


def lose_an_offset(feed: Feed) -> None:
    source = next(iter(feed.source.offsets))
    del feed.source.offsets[source]
    feed.source.unstarted.add(source)


@pytest.mark.parametrize("happens", [lambda feed: feed.clock.sleep(60), lose_an_offset])
def test_a_recreated_topic_that_outgrew_the_old_one_is_read_from_its_start(
    happens: Callable[[Feed], None],
) -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    feed.broker.recreate(TOPIC)
    # The old position exists in the new topic, so Kafka reports no error.
    feed.send(outgoing(change("u", 1, 2), TOPIC), outgoing(change("u", 1, 3), TOPIC))
    feed.send(outgoing(change("c", 2, 4), TOPIC), outgoing(change("c", 3, 5), TOPIC))
    happens(feed)

    with pytest.raises(Fenced, match="recreated"):
        feed.consumer.run_once()
    feed.drain()

    assert feed.titles() == {1: "version 1.3", 2: "version 1.4", 3: "version 1.5"}
    assert set(feed.store.topic_ids.values()) == {feed.broker.topic_id(TOPIC)}


def one_partition(feed: Feed) -> TopicPartition:
    (source,) = feed.broker.logs
    return source


def test_records_that_retention_deleted_unread_are_a_gap(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    source = one_partition(feed)
    feed.send(*(outgoing(change("u", 1, number), TOPIC) for number in range(2, 8)))
    feed.broker.delete_before(source, 5)

    feed.drain()
    feed.drain()

    assert feed.store.gaps == {source: (1, 5)}
    (logged,) = [item for item in caplog.records if item.message == telemetry.PARTITION_GAP]
    ends = (logged.__dict__["lost_from"], logged.__dict__["resumed_at"])
    place = (logged.__dict__["topic"], logged.__dict__["partition"])
    assert (*place, *ends) == (TOPIC, source.partition, 1, 5)
    assert feed.source.starts[source] == (5, None)
    assert feed.titles() == {1: "version 1.7"}
    assert feed.store.positions[source] == 7


@pytest.mark.parametrize("restart", [False, True])
def test_records_lost_from_a_partition_that_was_empty_are_a_gap(*, restart: bool) -> None:
    feed = Feed()
    feed.drain()
    feed.send(*(outgoing(change("c", 1, number), TOPIC) for number in range(1, 4)))
    source = one_partition(feed)
    feed.broker.delete_before(source, 3)
    if restart:
        feed.restart("b")

    feed.drain()

    assert feed.store.gaps == {source: (0, 3)}
    assert feed.store.positions[source] == 3


def test_a_rejection_delays_no_later_batch_of_the_same_poll() -> None:
    """The replica forgets its positions after a refusal."""
    feed = Feed()
    feed.broker.largest = 10_000_000
    feed.drain()
    large = "x" * 2_000_000
    for key in range(1, 12):
        event = change("c", key, key, title=large)
        if key == 1:
            event = replace(event, before={"a\0b": 1})
        feed.send(outgoing(event, TOPIC))
    feed.consumer.run_once()

    assert len(feed.letters.kept) == 1
    assert set(feed.titles()) == set(range(2, 12))


def test_records_lost_before_a_partition_was_ever_read_are_no_gap() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", 1, number), TOPIC) for number in range(1, 4)))
    source = one_partition(feed)
    feed.broker.delete_before(source, 2)

    feed.drain()

    assert feed.store.gaps == {}
    assert feed.store.positions[source] == 3
    assert feed.titles() == {1: "version 1.3"}


def test_gaps_of_several_partitions_are_stored_each() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 40)))
    feed.drain()
    ends = {source: feed.broker.bounds(source)[1] for source in feed.broker.logs}
    for round_ in (1, 2):
        feed.send(*(outgoing(change("u", key, 40 * round_ + key), TOPIC) for key in range(1, 40)))
        lost = {source: feed.broker.bounds(source)[1] for source in list(ends)[round_ - 1 :]}
        for source, end in lost.items():
            feed.broker.delete_before(source, end)
        for _ in range(3):
            feed.drain()

    assert {source: end for source, (_, end) in feed.store.gaps.items()} == {
        source: feed.broker.bounds(source)[1] if source in lost else end * 2
        for source, end in ends.items()
    }
    assert {source: begin for source, (begin, _) in feed.store.gaps.items()} == ends


def test_a_gap_at_the_end_moves_the_position_without_a_record() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    source = one_partition(feed)
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.broker.delete_before(source, 2)

    feed.drain()
    feed.drain()

    assert feed.store.positions[source] == 2
    assert feed.store.gaps == {source: (1, 2)}


@pytest.mark.parametrize("restart", [False, True])
def test_a_partition_that_lost_its_end_and_grew_is_read_from_its_start(*, restart: bool) -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", 1, number), TOPIC) for number in range(1, 11)))
    feed.drain()
    source = one_partition(feed)
    feed.broker.truncate(source, 6)
    feed.send(*(outgoing(change("u", 1, number), TOPIC) for number in range(11, 16)))
    feed.send(*(outgoing(change("u", 1, 16), TOPIC) for _ in range(3)))
    if restart:
        feed.restart("b")

    for _ in range(3):
        feed.drain()

    assert feed.titles() == {1: "version 1.16"}
    assert {key[1] for key in feed.store.history} == set(range(1, 17)), "a change was skipped"
    assert feed.store.gaps == {source: (10, 0)}


def test_a_clean_election_is_no_gap() -> None:
    feed = Feed()
    feed.send(*(outgoing(change("c", 1, number), TOPIC) for number in range(1, 11)))
    feed.drain()
    source = one_partition(feed)
    feed.broker.truncate(source, 10)
    feed.restart("b")
    feed.send(outgoing(change("u", 1, 11), TOPIC))

    feed.drain()
    feed.drain()

    assert feed.titles() == {1: "version 1.11"}
    assert feed.store.gaps == {}


def test_a_loss_later_on_is_checked_at_the_stored_position_first() -> None:
    """If the records up to the stored position exist, nothing was lost."""
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC), outgoing(change("u", 1, 2), TOPIC))
    feed.drain()
    source = one_partition(feed)
    feed.source.offsets[source] = 1_000  # The client's position is wrong.

    feed.drain()
    feed.send(outgoing(change("u", 1, 3), TOPIC))
    feed.drain()

    assert feed.titles() == {1: "version 1.3"}
    assert feed.store.gaps == {}


def unfit(op: str, key: int, outbox_id: int) -> Outgoing:
    """Return a change that does not fit the table, because a column has the wrong type."""
    event = change(op, key, outbox_id)
    return outgoing(replace(event, after={**(event.after or {}), "diggs": "many"}), TOPIC)


@pytest.mark.parametrize(("newer", "left"), [("u", {1}), ("d", set())])
def test_a_stale_event_that_does_not_fit_is_no_dead_letter(newer: str, left: set[int]) -> None:
    feed = Feed()
    feed.send(*(outgoing(event, TOPIC) for event in (change("c", 1, 1), change(newer, 1, 3))))
    feed.drain()

    feed.send(unfit("u", 1, 2), unfit("u", 1, 3))
    feed.drain()

    assert not feed.letters.kept
    assert feed.counters.counted[telemetry.STALE] == 2
    assert set(feed.store.collection(COLLECTIONS[0])) == left
    assert sum(position or 0 for position in feed.store.positions.values()) == 4


def test_a_newer_event_that_does_not_fit_is_a_dead_letter() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()

    feed.send(unfit("u", 1, 2), unfit("c", 2, 3))
    feed.drain()

    assert len(feed.letters.kept) == 2
    assert feed.counters.counted[telemetry.STALE] == 0


def test_applied_messages_count_however_many_letters_there_are() -> None:
    """The consumer does not stop if one message in twenty becomes a dead letter."""
    feed = Feed()
    rounds = MAX_REJECTED + 60
    for number in range(rounds):
        good = [change("c", key, key) for key in range(number * 19 + 1, number * 19 + 20)]
        feed.send(*poison(1, number), *(outgoing(event, TOPIC) for event in good))
        run(feed, 2)

    assert len(feed.letters.kept) == rounds
    assert len(feed.titles()) == 19 * rounds


def test_a_letter_found_in_a_batch_moves_the_position_by_one() -> None:
    class Picky(MemoryReplica):
        def before(self, batch: Sequence[Delivered]) -> None:
            if any(item.event.version.outbox_id == 3 for item in batch):
                raise Rejected("no threes")

    feed = Feed(Picky)
    feed.send(*(outgoing(change("c", 1, number), TOPIC) for number in (1, 2, 3)))
    feed.drain()

    source = one_partition(feed)
    assert feed.letters.kept == {(source, 2): "no threes"}
    assert feed.store.positions[source] == feed.source.stored[source] == 3


def test_kafka_gets_no_position_that_the_replica_does_not_have() -> None:
    class Failing(MemoryReplica):
        def before(self, batch: Sequence[Delivered]) -> None:
            raise Retryable("unreachable")

    feed = Feed(Failing)
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.consumer.run_once()

    with pytest.raises(Retryable):
        feed.consumer.run_once()

    assert feed.source.stored == {}


def test_the_leader_epoch_of_the_last_record_is_stored_and_used() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    source = one_partition(feed)
    feed.broker.truncate(source, 1)
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.drain()
    assert feed.store.leader_epochs[source] == 1

    feed.restart("b")
    feed.drain()

    assert feed.source.starts[source] == (2, 1)


def test_a_moved_position_is_noticed_within_a_second_without_records() -> None:
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    source = one_partition(feed)
    feed.store.positions[source] = 0
    feed.clock.sleep(1)

    with pytest.raises(Fenced):
        feed.consumer.run_once()
    feed.drain()

    assert feed.store.positions[source] == 1


def test_a_pause_stops_fetching_and_forgets_the_positions() -> None:
    feed, paused = Feed(), [False]
    feed.consumer._paused = lambda: paused[0]
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    feed.drain()
    source = one_partition(feed)

    paused[0] = True
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.drain()
    assert not feed.source.started()
    assert feed.titles() == {1: "version 1.1"}

    # A rewind moves the position during the pause.
    feed.store.positions[source], feed.store.owners[source] = 0, "rewind"
    paused[0] = False
    feed.drain()
    assert feed.titles() == {1: "version 1.2"}
    assert feed.store.positions[source] == 2
    assert feed.source.started()
    assert not +feed.counters.counted, "nothing failed"


def test_each_beginning_and_end_of_a_pause_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cdc.consumer.consumer")
    feed, paused = Feed(), [True]
    feed.consumer._paused = lambda: paused[0]
    for paused[0] in (True, True, False, False, True):
        feed.drain()

    logged = [item.message for item in caplog.records if "pause" in item.message]
    logged += [item.message for item in caplog.records if "resume" in item.message]
    assert logged == [telemetry.CONSUMER_PAUSED] * 2 + [telemetry.CONSUMER_RESUMED]


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_tombstone_alone_in_its_batch_is_left_out_after_its_delete(*, taken_over: bool) -> None:
    """After a takeover of a partition, the position or the replica might have been changed."""
    sizes: list[int] = []

    class Recording(MemoryReplica):
        def apply(self, batch: Sequence[Delivered], *rest: Any) -> Applied:
            sizes.append(len(batch))
            return super().apply(batch, *rest)

    feed = Feed(Recording)
    feed.consumer._size.records = 1
    delete = change("d", 1, 2)
    feed.send(outgoing(change("c", 1, 1), TOPIC), outgoing(delete, TOPIC))
    feed.drain()
    if taken_over:
        feed.source.release()
    feed.send(tombstone(delete, TOPIC))
    feed.drain()

    assert sizes == [1, 1, int(taken_over)]
    assert feed.titles() == {}
    assert feed.counters.counted[telemetry.DUPLICATE] == 0


def test_a_position_passes_the_markers_at_the_end_of_a_partition() -> None:
    """Otherwise, they would be changes in transit until the next record of the partition."""
    feed = Feed()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    source = one_partition(feed)
    empty = next(each for each in feed.source.waiting() if each != source)
    for partition in (source, empty):
        feed.broker.end_transaction(partition)

    feed.drain()

    assert feed.store.positions[source] == 2
    assert feed.store.positions[empty] == 1
    assert feed.source.stored == {source: 2, empty: 1}
    feed.send(outgoing(change("u", 1, 2), TOPIC))
    feed.drain()
    assert feed.titles() == {1: "version 1.2"}


def test_a_position_does_not_pass_records_that_could_not_be_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = Feed()
    feed.drain()
    feed.send(outgoing(change("c", 1, 1), TOPIC))
    source = one_partition(feed)
    feed.broker.end_transaction(source)

    def fail(*_: object) -> None:
        raise Retryable("MongoDB is down")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryReplica, "apply", fail)
        with pytest.raises(Retryable):
            feed.consumer.run_once()
    assert feed.store.positions[source] == 0

    feed.drain()
    assert feed.titles() == {1: "version 1.1"}
    assert feed.store.positions[source] == 2


def test_a_rejected_record_does_not_fence_idle_partitions() -> None:
    """A failed batch makes the replica forget the positions of all partitions."""
    feed = Feed()
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 20)))
    feed.drain()
    feed.counters.counted.clear()
    feed.send(outgoing(change("c", 1, 1, title="other"), TOPIC))

    for _ in range(5):
        feed.clock.sleep(2.0)
        feed.consumer.run_once()

    assert len(feed.letters.kept) == 1
    assert feed.counters.counted == {telemetry.REJECTED: 1}
    (source, offset) = next(iter(feed.letters.kept))
    assert feed.store.leader_epochs[source] == feed.broker.leader_epoch(source, offset)
