"""The contract of a replica, for the one in MongoDB and its twin in memory."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from cdc.conf import CdcSettings
from cdc.consumer.consumer import Replica
from cdc.errors import Fenced
from cdc.mongo.client import connect, database
from cdc.mongo.plan import Conflict, Delivered, Document, StoredPosition
from cdc.mongo.replica import MongoReplica
from cdc.runtime.loop import SystemClock
from cdc.testing.twins import MemoryReplica, MemoryStore
from cdc.wire.event import Version
from cdc.wire.records import TopicPartition
from tests.support.builders import COLLECTIONS, ROUTES, SOURCE, TABLE, change, delivered

OTHER = TopicPartition("story-events", 1)


class Storage(Protocol):
    """What replicas write to, and a view of its documents."""

    def replica(self, owner: str) -> Replica: ...

    def documents(self, collection: str) -> list[Document]: ...

    def history(self) -> list[Document]: ...

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

    def make_unique(self, collection: str, field: str) -> None:
        self.store.unique[collection] = field


class Mongo:
    def __init__(self, settings: CdcSettings) -> None:
        self.settings = settings
        self.client = connect(settings)
        self.database = database(self.client, settings)
        self.replica("setup").prepare()

    def replica(self, owner: str) -> MongoReplica:
        return MongoReplica(self.client, self.settings, ROUTES, owner, clock=SystemClock())

    def documents(self, collection: str) -> list[Document]:
        return list(self.database[collection].find().sort("_id"))

    def history(self) -> list[Document]:
        return list(self.database[self.settings.history_collection].find().sort("_id"))

    def make_unique(self, collection: str, field: str) -> None:
        self.database[collection].create_index(field, unique=True)


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.services)])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    if request.param == "memory":
        yield Memory()
        return
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


def test_a_large_batch_is_applied_whole(storage: Storage) -> None:
    replica = owned(storage)

    replica.apply([delivered(change("c", key, key)) for key in range(1, 1001)], {SOURCE: 1000})

    assert len(titles(storage)) == 1000


def test_an_event_of_a_deleted_row_is_stale_when_the_replica_does_not_know_the_row(
    storage: Storage,
) -> None:
    replica = owned(storage)
    events = [change("c", key, key) for key in (1, 2)]

    applied = replica.apply([delivered(event) for event in events], {SOURCE: 2}, {(TABLE, 1)})

    assert list(titles(storage)) == [2]
    assert applied.stale == 1


def test_a_version_in_the_replica_counts_more_than_a_deleted_row(storage: Storage) -> None:
    """The row's delete has not arrived yet, so the event before it still applies."""
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
