"""What the consumer requires of a replica, for MongoDB and its in-memory twin."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pytest

from cdc.conf import CdcSettings
from cdc.consumer.interfaces import Replica
from cdc.errors import Fenced, Rejected
from cdc.mongo.client import database
from cdc.mongo.plan import Conflict, Delivered, Document, StoredPosition
from cdc.mongo.positions import Positions
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.testing.twins import MemoryReplica, MemoryStore
from cdc.wire.event import ChangeEvent, Version
from cdc.wire.records import TopicPartition
from tests.support.builders import COLLECTIONS, ROUTES, SOURCE, TABLE, change, delivered
from tests.support.mongodb import connected

OTHER = TopicPartition("story-events", 1)


class Storage(Protocol):
    """A store for replicas, with access to its documents."""

    def replica(self, owner: str) -> Replica: ...

    def documents(self, collection: str) -> list[Document]: ...

    def history(self) -> list[Document]: ...

    def gaps(self) -> dict[TopicPartition, tuple[int, int]]: ...

    def make_unique(self, collection: str, field: str) -> None: ...


class Memory:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def replica(self, owner: str) -> Replica:
        return MemoryReplica(self.store, ROUTES, owner)

    def documents(self, collection: str) -> list[Document]:
        held = self.store.collection(collection)
        return [held[key] for key in sorted(held, key=str)]

    def history(self) -> list[Document]:
        return [self.store.history[key] for key in sorted(self.store.history)]

    def gaps(self) -> dict[TopicPartition, tuple[int, int]]:
        return self.store.gaps

    def make_unique(self, collection: str, field: str) -> None:
        self.store.unique[collection] = field


class Mongo:
    def __init__(self, settings: CdcSettings) -> None:
        self.settings = settings
        self.client = connected(settings)
        self.database = database(self.client, settings)
        self.replica("setup").prepare()

    def replica(self, owner: str) -> MongoReplica:
        return MongoReplica(self.client, self.settings, ROUTES, owner, clock=SystemClock())

    def documents(self, collection: str) -> list[Document]:
        return list(self.database[collection].find().sort("_id"))

    def history(self) -> list[Document]:
        return list(self.database[self.settings.history_collection].find().sort("_id"))

    def gaps(self) -> dict[TopicPartition, tuple[int, int]]:
        found = Positions(self.client, self.settings).gaps()
        return {gap.source: (gap.lost_from, gap.resumed_at) for gap in found}

    def make_unique(self, collection: str, field: str) -> None:
        self.database[collection].create_index(field, unique=True)


@pytest.fixture(
    params=[
        "memory",
        pytest.param("mongo, direct", marks=pytest.mark.services),
        pytest.param("mongo, direct, updates checked together", marks=pytest.mark.services),
        pytest.param("mongo, looked up", marks=pytest.mark.services),
    ]
)
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    if request.param == "memory":
        yield Memory()
        return
    if request.param == "mongo, looked up":
        monkeypatch.setattr("cdc.mongo.replica.direct_batch", lambda *_: None)
    else:
        # Try each batch without a lookup, even after a batch that needed a lookup.
        monkeypatch.setattr("cdc.mongo.replica._CAREFUL_BATCHES", 0)
    if request.param == "mongo, direct, updates checked together":
        monkeypatch.setattr("cdc.mongo.apply.direct._MOST_CONDITIONS", 0)
    mongo = Mongo(request.getfixturevalue("feed_settings"))
    yield mongo
    mongo.client.drop_database(mongo.settings.mongodb_database)
    mongo.client.close()


def owned(storage: Storage, owner: str = "a") -> Replica:
    replica = storage.replica(owner)
    replica.take_over(SOURCE, "topic 1")
    return replica


def titles(storage: Storage) -> dict[object, str]:
    (first, *others) = (
        {item["_id"]: item["title"] for item in storage.documents(name)} for name in COLLECTIONS
    )
    assert all(other == first for other in others)
    return first


def test_a_new_partition_starts_at_its_first_record(storage: Storage) -> None:
    position = storage.replica("a").take_over(SOURCE, "topic 1")

    assert position == StoredPosition(next_offset=None, recreated=False)


def test_inserts_updates_and_deletes_reach_every_collection(storage: Storage) -> None:
    replica = owned(storage)

    replica.apply([delivered(change("c", key, key)) for key in (1, 2, 3)], {SOURCE: 3})
    applied = replica.apply(
        [delivered(change("u", 1, 4)), delivered(change("d", 2, 5))], {SOURCE: 5}
    )

    assert titles(storage) == {1: "version 1.4", 3: "version 1.3"}
    assert (applied.written, applied.stale) == (2, 0)


def test_collections_hold_equal_documents_with_dates_as_dates(storage: Storage) -> None:
    replica = owned(storage)

    replica.apply([delivered(change("c", 17, 5))], {SOURCE: 1})

    (first,), (second,), (third,) = (storage.documents(name) for name in COLLECTIONS)
    assert first == second == third == delivered(change("c", 17, 5)).document


def test_the_position_moves_with_the_batch(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    replica.apply([], {SOURCE: 9})

    assert storage.replica("b").take_over(SOURCE, "topic 1").next_offset == 9


def test_a_replaced_owner_writes_nothing(storage: Storage) -> None:
    old = owned(storage, "old")
    new = owned(storage, "new")

    with pytest.raises(Fenced):
        old.apply([delivered(change("c", 1, 1))], {SOURCE: 1})

    assert titles(storage) == {}
    assert not storage.history()
    new.apply([delivered(change("c", 1, 2))], {SOURCE: 1})
    assert titles(storage) == {1: "version 1.2"}


def test_the_owner_fences_when_the_offset_alone_would_match(storage: Storage) -> None:
    old = owned(storage, "old")
    old.apply([delivered(change("c", 1, 1))], {SOURCE: 5})
    owned(storage, "new")

    with pytest.raises(Fenced):
        old.apply([delivered(change("u", 1, 2))], {SOURCE: 6})


def test_the_offset_fences_when_the_owner_alone_would_match(storage: Storage) -> None:
    mine, also_mine = owned(storage, "a"), owned(storage, "a")
    also_mine.apply([], {SOURCE: 5})

    with pytest.raises(Fenced):
        mine.apply([delivered(change("c", 1, 1))], {SOURCE: 1})

    assert titles(storage) == {}
    assert mine.take_over(SOURCE, "topic 1").next_offset == 5


def test_one_lost_partition_fences_the_whole_batch(storage: Storage) -> None:
    old = owned(storage, "old")
    old.take_over(OTHER, "topic 1")
    owned(storage, "new")

    with pytest.raises(Fenced):
        old.apply([delivered(change("c", 1, 1), source=OTHER)], {SOURCE: 1, OTHER: 1})

    assert titles(storage) == {}
    assert storage.replica("c").take_over(OTHER, "topic 1").next_offset is None


def test_a_recreated_topic_is_read_from_its_start(storage: Storage) -> None:
    owned(storage).apply([], {SOURCE: 40})

    position = storage.replica("b").take_over(SOURCE, "topic 2")

    assert position == StoredPosition(next_offset=None, recreated=True)
    assert storage.replica("c").take_over(SOURCE, "topic 2").recreated is False


def test_the_leader_epoch_is_stored_with_the_position(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([], {SOURCE: 4}, leader_epochs={SOURCE: 7})
    assert storage.replica("b").take_over(SOURCE, "topic 1").leader_epoch == 7

    again = owned(storage, "c")
    again.apply([], {SOURCE: 5})  # The leader epoch is not known.

    assert storage.replica("d").take_over(SOURCE, "topic 1").leader_epoch is None


def test_a_gap_moves_the_position_and_is_stored(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([], {SOURCE: 33}, leader_epochs={SOURCE: 7})
    assert storage.gaps() == {}

    resumed = replica.record_gap(SOURCE, 66)

    assert resumed == StoredPosition(next_offset=66, recreated=False)
    assert storage.gaps() == {SOURCE: (33, 66)}
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 67})
    assert storage.replica("b").take_over(SOURCE, "topic 1").next_offset == 67
    assert storage.gaps() == {SOURCE: (33, 66)}


def test_a_second_gap_extends_an_open_one(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([], {SOURCE: 33})
    replica.record_gap(SOURCE, 66)
    replica.apply([], {SOURCE: 70})
    replica.record_gap(SOURCE, 80)
    assert storage.gaps() == {SOURCE: (33, 80)}
    replica.record_gap(SOURCE, 0)  # Kafka has lost its newest records.
    assert storage.gaps() == {SOURCE: (33, 80)}


def test_a_replaced_owner_stores_no_gap(storage: Storage) -> None:
    old = owned(storage, "old")
    old.apply([], {SOURCE: 33})
    new = owned(storage, "new")

    with pytest.raises(Fenced):
        old.record_gap(SOURCE, 66)

    assert storage.gaps() == {}
    new.apply([], {SOURCE: 34})


def test_what_was_unread_in_a_deleted_topic_is_a_gap(storage: Storage) -> None:
    owned(storage).apply([], {SOURCE: 40})
    storage.replica("b").take_over(OTHER, "topic 1")

    for source in (SOURCE, OTHER):
        storage.replica("b").take_over(source, "topic 2")

    assert storage.gaps() == {SOURCE: (40, 0)}, "nothing was ever read of the other partition"


def test_an_applied_event_changes_nothing_when_it_is_repeated(storage: Storage) -> None:
    replica = owned(storage)
    events = [change("c", 1, 1), change("u", 1, 2), change("c", 2, 3), change("d", 2, 4)]
    replica.apply([delivered(event) for event in events], {SOURCE: 4})

    for number, event in enumerate(events, 5):
        applied = replica.apply([delivered(event)], {SOURCE: number})
        assert (applied.written, applied.duplicates + applied.stale) == (0, 1)

    assert titles(storage) == {1: "version 1.2"}


def test_a_story_that_is_recreated_under_its_key_is_live(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    replica.apply([delivered(change("d", 1, 2))], {SOURCE: 2})
    replica.apply([delivered(change("c", 1, 3))], {SOURCE: 3})

    assert titles(storage) == {1: "version 1.3"}


def test_history_holds_each_event_once(storage: Storage) -> None:
    replica = owned(storage)
    events = [change("c", 1, 1), change("u", 1, 2), change("d", 1, 3)]
    replica.apply([delivered(event) for event in events], {SOURCE: 3})
    replica.apply([delivered(events[1])], {SOURCE: 4})

    assert [(item["op"], item["_id"]["outbox_id"]) for item in storage.history()] == [
        ("c", 1),
        ("u", 2),
        ("d", 3),
    ]


@pytest.mark.parametrize(
    "reused",
    [
        change("u", 1, 2, title="other"),
        change("r", 1, 2),
        change("d", 1, 2),
        change("u", 2, 2),
        change("d", 2, 2),
    ],
)
def test_a_version_that_is_used_again_is_refused(storage: Storage, reused: ChangeEvent) -> None:
    """A later event has the same version, for the same row or for a row with a later version."""
    replica = owned(storage)
    events = [change("c", 1, 1), change("u", 1, 2), change("c", 2, 3)]
    replica.apply([delivered(event) for event in events], {SOURCE: 3})
    before = storage.history()

    with pytest.raises(Rejected, match=r"Version 1\.2 has been applied with different content"):
        replica.apply([delivered(change("u", 2, 4)), delivered(reused)], {SOURCE: 5})

    assert titles(storage) == {1: "version 1.2", 2: "version 1.3"}
    assert storage.history() == before


REFUSED = (change("u", 1, 1, title="other"), replace(change("c", 2, 2), before={"a\0b": 1}))


@pytest.mark.parametrize("refused", REFUSED)
def test_after_a_refusal_a_partition_must_be_taken_over(
    storage: Storage, refused: ChangeEvent
) -> None:
    replica = owned(storage)
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})

    with pytest.raises(Rejected):
        replica.apply([delivered(refused)], {SOURCE: 2})
    with pytest.raises(Fenced):
        replica.apply([delivered(change("u", 1, 3))], {SOURCE: 2})

    assert replica.take_over(SOURCE, "topic 1").next_offset == 1
    replica.apply([delivered(change("u", 1, 3))], {SOURCE: 2})
    assert titles(storage) == {1: "version 1.3"}


def test_a_version_that_is_used_twice_in_a_batch_is_refused(storage: Storage) -> None:
    replica = owned(storage)
    batch = [change("c", 1, 5), change("c", 1, 5, title="other")]

    with pytest.raises(Rejected, match=r"Version 1\.5 has been applied"):
        replica.apply([delivered(event) for event in batch], {SOURCE: 2})

    assert titles(storage) == {}


def test_a_newer_version_is_applied_although_another_row_has_had_it(storage: Storage) -> None:
    """No change is lost, so the reuse of the version is only logged."""
    replica = owned(storage)
    replica.apply([delivered(change("c", key, 1)) for key in (1, 2)], {SOURCE: 2})
    replica.apply([delivered(change("c", 3, 1)), delivered(change("u", 1, 2))], {SOURCE: 4})

    assert titles(storage) == {1: "version 1.2", 2: "version 1.1", 3: "version 1.1"}


def test_repeated_events_are_not_versions_that_are_used_again(storage: Storage) -> None:
    replica = owned(storage)
    events = [change("c", 1, 1), change("u", 1, 2), change("d", 1, 3), change("c", 2, 4)]
    batch = [delivered(event) for event in events]
    replica.apply(batch, {SOURCE: 4})

    applied = replica.apply([*batch, *batch, delivered(change("u", 2, 5))], {SOURCE: 9})

    assert applied.written == 1
    assert titles(storage) == {2: "version 1.5"}


def test_a_large_batch_is_applied_whole(storage: Storage) -> None:
    replica = owned(storage)

    replica.apply([delivered(change("c", key, key)) for key in range(1, 1001)], {SOURCE: 1000})

    assert len(titles(storage)) == 1000
    partitions = (SOURCE, OTHER)
    replica.take_over(OTHER, "topic 1")
    for op, first in (("u", 2000), ("d", 4000)):
        # The second partition is behind: its versions are lower than the versions of the first.
        batch = [
            delivered(change(op, key, first + key - 900 * (key % 2)), source=partitions[key % 2])
            for key in range(1, 1001)
        ]
        replica.apply(batch, {SOURCE: first, OTHER: first})
        expected = {} if op == "d" else {each.event.key: each.event.version for each in batch}
        held = {
            item["_id"]: Version(item["_epoch"], item["_version"])
            for item in storage.documents(TABLE)
        }
        assert held == expected


def test_an_event_of_a_deleted_row_is_stale_when_the_replica_does_not_know_the_row(
    storage: Storage,
) -> None:
    replica = owned(storage)
    events = [change("c", key, key) for key in (1, 2)]

    applied = replica.apply([delivered(event) for event in events], {SOURCE: 2}, {(TABLE, 1)})

    assert list(titles(storage)) == [2]
    assert applied.stale == 1


def test_a_version_in_the_replica_counts_more_than_a_deleted_row(storage: Storage) -> None:
    """The database has no such row, but the event of its delete has not arrived yet."""
    replica = owned(storage)
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})

    replica.apply([delivered(change("u", 1, 2))], {SOURCE: 2}, {(TABLE, 1)})

    assert titles(storage) == {1: "version 1.2"}


def test_duplicates_and_stale_events_are_counted_apart(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([delivered(change("c", 1, 2))], {SOURCE: 1})
    batch = [change("u", 1, 1), change("c", 2, 3), change("c", 2, 3)]

    applied = replica.apply([delivered(event) for event in batch], {SOURCE: 2})
    again = replica.apply([delivered(change("c", 1, 2))], {SOURCE: 3})

    assert (applied.duplicates, applied.stale) == (1, 1)
    assert (again.duplicates, again.stale) == (1, 0)


def test_a_check_detects_a_new_owner(storage: Storage) -> None:
    old = owned(storage, "old")
    old.check(frozenset({SOURCE}))
    owned(storage, "new")

    with pytest.raises(Fenced):
        old.check(frozenset({SOURCE}))


def titled(op: str, key: int, outbox_id: int, title: str, epoch: int = 1) -> Delivered:
    return delivered(change(op, key, outbox_id, epoch=epoch, title=title))


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize(
    ("batch", "end"),
    [
        ([("d", 2, "b"), ("c", 9, "b")], {1: "a", 3: "c", 9: "b"}),
        ([("c", 0, "b"), ("d", 2, "b")], {0: "b", 1: "a", 3: "c"}),
        ([("u", 1, "b"), ("u", 2, "a")], {1: "b", 2: "a", 3: "c"}),
        ([("u", 1, "b"), ("u", 2, "c"), ("u", 3, "a")], {1: "b", 2: "c", 3: "a"}),
        ([("u", 1, "x"), ("c", 0, "a")], {0: "a", 1: "x", 2: "b", 3: "c"}),
        ([("u", 1, "b"), ("d", 2, "b"), ("c", 0, "a")], {0: "a", 1: "b", 3: "c"}),
        ([("u", 2, "a"), ("u", 3, "b"), ("d", 1, "a")], {2: "a", 3: "b"}),
        ([("d", 1, "a"), ("c", 1, "b"), ("u", 2, "a")], {1: "b", 2: "a", 3: "c"}),
    ],
)
def test_rows_hand_a_unique_value_over_in_one_batch(
    storage: Storage, collection: str, batch: list[tuple[str, int, str]], end: dict[object, str]
) -> None:
    storage.make_unique(collection, "title")
    replica = owned(storage)
    first = [titled("c", key, key, title) for key, title in ((1, "a"), (2, "b"), (3, "c"))]
    replica.apply(first, {SOURCE: 3})

    moves = [titled(op, key, number, title) for number, (op, key, title) in enumerate(batch, 4)]
    replica.apply(moves, {SOURCE: 9})

    assert titles(storage) == end
    assert len(storage.history()) == 3 + len(batch)


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("op", ["c", "u"])
def test_a_unique_value_of_another_row_is_a_conflict_of_one_event(
    storage: Storage, collection: str, op: str
) -> None:
    storage.make_unique(collection, "title")
    replica = owned(storage)
    key = {"c": 3, "u": 2}[op]
    replica.apply([titled("c", 1, 1, "a"), titled("c", 2, 2, "b")], {SOURCE: 2})

    with pytest.raises(Conflict, match=rf"unique index title_1 of \S*{collection} ") as raised:
        replica.apply([titled("c", 9, 3, "z"), titled(op, key, 4, "a")], {SOURCE: 4})

    assert raised.value.version == Version(1, 4)
    assert titles(storage) == {1: "a", 2: "b"}
    assert len(storage.history()) == 2
    again = owned(storage)
    again.apply([titled("u", 1, 5, "y"), titled(op, key, 4, "a")], {SOURCE: 5})
    assert titles(storage)[key] == "a"


def test_the_version_of_a_row_is_known_live_or_deleted(storage: Storage) -> None:
    replica = owned(storage)
    replica.apply([delivered(change("c", key, key)) for key in (1, 2)], {SOURCE: 2})
    replica.apply([delivered(change("u", 1, 4)), delivered(change("d", 2, 5))], {SOURCE: 4})

    found = [storage.replica("b").version(TABLE, key) for key in (1, 2, 3, "1")]

    assert found == [Version(1, 4), Version(1, 5), None, None]


def test_no_row_has_a_key_that_bson_cannot_store(storage: Storage) -> None:
    with pytest.raises(Rejected):
        storage.replica("b").version(TABLE, 2**63)


def test_a_replay_rewrites_neither_history_nor_documents_nor_markers(storage: Storage) -> None:
    replica = owned(storage)
    events = [change("c", 1, 1), change("u", 1, 2), change("d", 1, 3), change("c", 2, 4)]
    replica.apply([delivered(event, number) for number, event in enumerate(events)], {SOURCE: 4})
    names = (*COLLECTIONS, ROUTES[TABLE].markers)
    before = storage.history(), [storage.documents(name) for name in names]

    again = [delivered(event, number, OTHER) for number, event in enumerate(events, 70)]
    replica.apply(again, {SOURCE: 5})
    for number, each in enumerate(again):
        replica.apply([each], {SOURCE: 6 + number})

    assert (storage.history(), [storage.documents(name) for name in names]) == before


@pytest.mark.parametrize("op", ["u", "d", "r"])
@pytest.mark.parametrize("last", ["c", "d"])
@pytest.mark.parametrize(("epoch", "number"), [(1, 9), (2, 4)])
def test_a_stale_event_writes_no_document_and_no_marker(
    storage: Storage, op: str, last: str, epoch: int, number: int
) -> None:
    replica = owned(storage)
    replica.apply([delivered(change(last, 1, 5, epoch=2))], {SOURCE: 1})
    names = (*COLLECTIONS, ROUTES[TABLE].markers)
    before = [storage.documents(name) for name in names]

    applied = replica.apply([delivered(change(op, 1, number, epoch=epoch))], {SOURCE: 2})

    assert (applied.written, applied.stale) == (0, 1)
    assert [storage.documents(name) for name in names] == before
    (marker,) = before[-1]
    assert (marker["_epoch"], marker["_version"]) == (2, 5)


def test_a_check_detects_a_moved_position_of_any_partition(storage: Storage) -> None:
    mine, also_mine = owned(storage, "a"), storage.replica("a")
    mine.take_over(OTHER, "topic 1")
    mine.check(frozenset({SOURCE, OTHER}))
    also_mine.take_over(OTHER, "topic 1")
    also_mine.apply([], {OTHER: 5})

    mine.check(frozenset({SOURCE}))
    with pytest.raises(Fenced):
        mine.check(frozenset({SOURCE, OTHER}))


def test_a_batch_that_was_refused_moves_nothing_until_the_partition_is_taken_again(
    storage: Storage,
) -> None:
    old, new = owned(storage, "old"), owned(storage, "new")
    with pytest.raises(Fenced):
        old.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    with pytest.raises(Fenced):
        old.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    new.apply([delivered(change("c", 1, 2))], {SOURCE: 1})

    assert titles(storage) == {1: "version 1.2"}
    assert old.take_over(SOURCE, "topic 1").next_offset == 1
