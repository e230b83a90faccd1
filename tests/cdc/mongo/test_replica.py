"""The replica in MongoDB: sessions, rejected documents, indexes and equal snapshots."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Rejected, Retryable
from cdc.mongo.client import connect, database
from cdc.mongo.plan import Conflict, Delivered
from cdc.mongo.reader import ReplicaReader
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.wire.event import Version
from tests.support.builders import COLLECTIONS, ROUTE, ROUTES, SOURCE, change, delivered
from tests.support.feed_settings import without_servers
from tests.support.mongodb import COMMANDS, connected

pytestmark = pytest.mark.services


class Storage:
    def __init__(self, settings: CdcSettings) -> None:
        self.settings = settings
        self.client = connected(settings)
        self.database = database(self.client, settings)

    def replica(self, owner: str = "a") -> MongoReplica:
        replica = MongoReplica(self.client, self.settings, ROUTES, owner, clock=SystemClock())
        replica.prepare()
        replica.take_over(SOURCE, "topic 1")
        return replica


@pytest.fixture
def storage(feed_settings: CdcSettings) -> Iterator[Storage]:
    storage = Storage(feed_settings)
    yield storage
    storage.client.drop_database(feed_settings.mongodb_database)
    storage.client.close()


def with_after(number: int, **columns: Any) -> Delivered:
    item = delivered(change("c", number, number))
    return replace(item, document={**(item.document or {}), **columns})


def test_taking_over_ends_the_transaction_that_the_last_owner_left_open(storage: Storage) -> None:
    old = storage.replica("old")
    session = old._open_session()
    session.start_transaction()
    storage.database[storage.settings.positions_collection].update_one(
        {"owner": "old"}, {"$set": {"next_offset": 99}}, session=session
    )

    assert storage.replica("new").take_over(SOURCE, "topic 1").next_offset is None

    with pytest.raises(PyMongoError):
        session.commit_transaction()


def test_ttl_indexes_follow_the_settings(storage: Storage) -> None:
    storage.replica()
    shorter = replace(storage.settings, history_days=1, delete_marker_days=2)
    storage.settings = shorter
    storage.replica("b")

    seconds = {
        name: storage.database[name].index_information()["at_ttl"]["expireAfterSeconds"]
        for name in (shorter.history_collection, ROUTE.markers)
    }
    assert seconds == {shorter.history_collection: 86_400, ROUTE.markers: 172_800}


def test_columns_of_a_route_have_an_index_in_the_first_collection(storage: Storage) -> None:
    routes = {ROUTE.table: replace(ROUTE, indexes=("submit_date",))}
    for owner in ("a", "b"):
        MongoReplica(storage.client, storage.settings, routes, owner, clock=SystemClock()).prepare()

    indexes = [set(storage.database[name].index_information()) for name in COLLECTIONS]
    assert indexes == [{"_id_", "submit_date_1"}, {"_id_"}, {"_id_"}]


def test_history_can_be_off(storage: Storage) -> None:
    storage.settings = replace(storage.settings, history_days=0)

    storage.replica().apply([delivered(change("c", 1, 1))], {SOURCE: 1})

    history = storage.database[storage.settings.history_collection]
    assert history.count_documents({}) == 0
    assert "at_ttl" not in history.index_information()


def test_a_document_that_bson_cannot_store_is_rejected_and_moves_no_position(
    storage: Storage,
) -> None:
    replica = storage.replica()

    with pytest.raises(Rejected):
        replica.apply([with_after(1, comments=2**70)], {SOURCE: 1})

    assert replica.take_over(SOURCE, "topic 1").next_offset is None
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})


def test_a_document_over_16_mb_is_rejected(storage: Storage) -> None:
    with pytest.raises(Rejected):
        storage.replica().apply([with_after(1, description="x" * 17_000_000)], {SOURCE: 1})


@pytest.mark.parametrize("depth", [150, 190, 200, 254, 900])
def test_a_row_before_that_nests_too_deep_is_rejected(storage: Storage, depth: int) -> None:
    """BSON allows about 180 levels; beyond 200, MongoDB cannot even read the command."""
    nested: Any = 1
    for _ in range(depth):
        nested = {"a": nested}
    event = change("u", 1, 1)
    deep = replace(event, before={**(event.before or {}), "container": nested})
    replica = storage.replica()

    with nullcontext() if depth == 150 else pytest.raises(Rejected):
        replica.apply([delivered(change("c", 2, 2)), delivered(deep)], {SOURCE: 2})


def test_a_collection_that_was_added_later_receives_changes(storage: Storage) -> None:
    replica = storage.replica()
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    storage.database["stories_story_2"].delete_many({})

    replica.apply([delivered(change("u", 1, 2))], {SOURCE: 2})

    versions = [storage.database[name].find_one({"_id": 1}) or {} for name in COLLECTIONS]
    assert [version.get("_version") for version in versions] == [2, 2, 2]


def test_a_replay_into_emptied_collections_is_applied_and_keeps_the_history(
    storage: Storage,
) -> None:
    replica = storage.replica()
    created = delivered(change("c", 1, 1))
    replica.apply([created], {SOURCE: 1})
    for name in (*COLLECTIONS, ROUTE.markers):
        storage.database[name].delete_many({})
    history = storage.database[storage.settings.history_collection]
    before = list(history.find())

    assert replica.apply([created], {SOURCE: 2}).written == 1

    assert [storage.database[name].count_documents({}) for name in COLLECTIONS] == [1, 1, 1]
    assert list(history.find()) == before


def test_an_unreachable_mongodb_is_retryable() -> None:
    unreachable = without_servers(mongodb_uri="mongodb://127.0.0.1:9/?replicaSet=rs0")

    with pytest.raises(Retryable, match="MongoDB is not responding") as raised:
        ReplicaReader(connect(unreachable), unreachable).counts(COLLECTIONS)
    assert "Topology" not in str(raised.value)


def test_every_snapshot_shows_equal_collections(storage: Storage) -> None:
    replica = storage.replica()
    done = threading.Event()
    differences: list[object] = []
    looks = 0

    def watch() -> None:
        nonlocal looks
        while not done.is_set():
            with storage.client.start_session(snapshot=True) as session:
                snapshots = [
                    list(
                        storage.database.get_collection(name, read_concern=ReadConcern("snapshot"))
                        .find({}, {"_version": 1}, session=session)
                        .sort("_id")
                    )
                    for name in COLLECTIONS
                ]
            looks += 1
            if any(snapshot != snapshots[0] for snapshot in snapshots):
                differences.append(snapshots)

    watcher = threading.Thread(target=watch)
    watcher.start()
    deadline = time.monotonic() + 60
    for number in count(1):
        if number >= 150 and (looks > 10 or time.monotonic() > deadline):
            break
        op = "d" if number % 7 == 0 else "u"
        events = [delivered(change(op, key, number * 10 + key)) for key in range(5)]
        replica.apply(events, {SOURCE: number})
    done.set()
    watcher.join()

    assert looks > 10
    assert not differences


@pytest.mark.parametrize("looks_up", [True, False])
@pytest.mark.parametrize(
    ("op", "finds"),
    [("u", list(COLLECTIONS)), ("c", [*COLLECTIONS, ROUTE.markers])],
)
def test_a_transaction_uses_only_what_sharded_collections_allow(
    feed_settings: CdcSettings,
    monkeypatch: pytest.MonkeyPatch,
    op: str,
    finds: list[str],
    *,
    looks_up: bool,
) -> None:
    """MongoDB refuses `$lookup` in sharded collections.

    If a story is in every collection, no delete marker is read. A batch that is applied without a
    lookup reads nothing.
    """
    if looks_up:
        monkeypatch.setattr("cdc.mongo.replica.direct_batch", lambda *_: None)
    with COMMANDS.record() as sent:
        storage = Storage(feed_settings)
        replica = storage.replica()
        replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
        sent.clear()
        replica.apply([delivered(change(op, {"u": 1, "c": 2}[op], 2))], {SOURCE: 2})
    storage.client.drop_database(feed_settings.mongodb_database)
    storage.client.close()

    names = [next(iter(command)) for command in sent if "autocommit" in command]
    assert set(names) <= {"find", "insert", "update", "delete", "commitTransaction"}
    found = [command["find"] for command in sent if "find" in command]
    assert found == (finds if looks_up else [])
    for command in sent:
        for each in (*command.get("updates", ()), *command.get("deletes", ())):
            assert "_id" in each["q"]  # the shard key


def test_a_large_batch_uses_only_what_sharded_collections_allow(
    feed_settings: CdcSettings,
) -> None:
    """A replaced document is found by its shard key; only a delete may name several keys."""
    with COMMANDS.record() as sent:
        storage = Storage(feed_settings)
        replica = storage.replica()
        for number, op in enumerate("cud"):
            batch = [delivered(change(op, key, 100 * number + key)) for key in range(1, 30)]
            replica.apply(batch, {SOURCE: number + 1})
    storage.client.drop_database(feed_settings.mongodb_database)
    storage.client.close()

    pipelines = [command["pipeline"] for command in sent if "aggregate" in command]
    assert {tuple(next(iter(stage)) for stage in each) for each in pipelines} == {
        ("$match", "$count")
    }
    sources = [each["q"]["_id"] for command in sent for each in command.get("updates", ())]
    rows = [key for key in sources if isinstance(key, int)]
    assert len(rows) == 29 * (len(COLLECTIONS) + 1)
    assert not [key for key in sources if isinstance(key, dict) and "$in" in key]


@pytest.mark.parametrize("ahead", COLLECTIONS)
def test_the_newest_version_of_any_collection_counts(storage: Storage, ahead: str) -> None:
    """Another program may have restored a backup of some of the collections."""
    replica = storage.replica()
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    storage.database[ahead].update_one({"_id": 1}, {"$set": {"_version": 9}})

    applied = replica.apply([delivered(change("u", 1, 5))], {SOURCE: 2})

    assert (applied.written, applied.stale) == (0, 1)
    held = [storage.database[name].find_one({"_id": 1}) or {} for name in COLLECTIONS]
    assert [each["title"] for each in held] == ["version 1.1"] * 3


def test_a_marker_counts_although_a_document_is_back_in_one_collection(storage: Storage) -> None:
    replica = storage.replica()
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    document = storage.database[COLLECTIONS[1]].find_one({"_id": 1}) or {}
    replica.apply([delivered(change("d", 1, 7))], {SOURCE: 2})
    storage.database[COLLECTIONS[1]].insert_one(document)

    applied = replica.apply([delivered(change("u", 1, 5))], {SOURCE: 3})

    assert (applied.written, applied.stale) == (0, 1)
    assert storage.database[COLLECTIONS[0]].find_one({"_id": 1}) is None


@pytest.mark.parametrize("most_conditions", [0, 16])
def test_a_newer_marker_counts_although_the_document_is_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, most_conditions: int
) -> None:
    """Without the marker, the older delete would find an even older document everywhere."""
    monkeypatch.setattr("cdc.mongo.apply.direct._MOST_CONDITIONS", most_conditions)
    replica = storage.replica()
    replica.apply([delivered(change("c", 1, 1))], {SOURCE: 1})
    documents = [storage.database[name].find_one({"_id": 1}) or {} for name in COLLECTIONS]
    replica.apply([delivered(change("d", 1, 7))], {SOURCE: 2})
    for name, document in zip(COLLECTIONS, documents, strict=True):
        storage.database[name].insert_one(document)

    applied = replica.apply([delivered(change("d", 1, 5))], {SOURCE: 3})

    assert (applied.written, applied.stale) == (0, 1)
    assert (storage.database[ROUTE.markers].find_one({"_id": 1}) or {})["_version"] == 7


TYPES: dict[str, dict[str, Any]] = {
    "view": {"viewOn": "somewhere"},
    "capped": {"capped": True, "size": 100_000},
    "timeseries": {"timeseries": {"timeField": "at"}},
    "collation": {"collation": {"locale": "en", "strength": 1}},
}


@pytest.mark.parametrize(
    "name", [COLLECTIONS[1], "stories_story_delete_markers", "stories_history"]
)
@pytest.mark.parametrize("kind", TYPES)
def test_a_collection_of_another_type_is_refused_at_the_start(
    storage: Storage, kind: str, name: str
) -> None:
    storage.database.create_collection(name, **TYPES[kind])

    with pytest.raises(Misconfigured, match=rf"collection {name} (is of the type|has a) {kind}"):
        storage.replica()


INDEXES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "geo": ([("container", "2dsphere")], {"container": {"type": "Point", "coordinates": ["x"]}}),
    "language": ([("title", "text")], {"language": "Klingon"}),
    "parallel": ([("topic", 1), ("shorturl", 1)], {"topic": [1, 2], "shorturl": [1, 2]}),
    "hashed": ([("topic", "hashed")], {"topic": [1, 2]}),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_cannot_hold_a_value_rejects_the_one_document(
    storage: Storage, name: str
) -> None:
    keys, columns = INDEXES[name]
    replica = storage.replica()
    storage.database[COLLECTIONS[1]].create_index(keys)

    with pytest.raises(Rejected, match="MongoDB refuses the document"):
        replica.apply([with_after(1, **columns)], {SOURCE: 1})


def test_a_validator_rejects_the_one_document(storage: Storage) -> None:
    replica = storage.replica()
    storage.database.command("collMod", COLLECTIONS[1], validator={"title": {"$type": "int"}})

    with pytest.raises(Rejected, match="failed validation"):
        replica.apply([with_after(1)], {SOURCE: 1})


UNIQUE: dict[str, dict[str, Any]] = {
    "compound": {"keys": [("media", 1), ("status", -1)]},
    "partial": {"keys": [("media", 1)], "partialFilterExpression": {"status": "popular"}},
    "sparse": {"keys": [("media", 1)], "sparse": True},
    "collation": {"keys": [("media", 1)], "collation": {"locale": "en", "strength": 1}},
    "nested": {"keys": [("container.name", 1)]},
    "multikey": {"keys": [("shorturl.short_url", 1)]},
}


@pytest.mark.parametrize("kind", UNIQUE)
def test_every_kind_of_unique_index_is_named_in_a_conflict(storage: Storage, kind: str) -> None:
    options = dict(UNIQUE[kind])
    name = storage.database[COLLECTIONS[1]].create_index(
        options.pop("keys"), unique=True, **options
    )
    replica = storage.replica()
    replica.apply([with_after(1)], {SOURCE: 1})

    with pytest.raises(Conflict, match=f"The unique index {re.escape(name)} of "):
        replica.apply([with_after(2)], {SOURCE: 2})


@pytest.mark.parametrize("op", ["u", "d"])
def test_a_unique_index_of_the_history_names_the_event_that_it_refuses(
    storage: Storage, op: str
) -> None:
    """The consumer can then set aside only this event."""
    history = storage.database[storage.settings.history_collection]
    history.create_index("key", unique=True, name="one change for each row")
    replica = storage.replica()
    replica.apply([with_after(1)], {SOURCE: 1})

    with pytest.raises(Conflict, match="one change for each row") as raised:
        replica.apply([with_after(2), delivered(change(op, 1, 7))], {SOURCE: 3})

    assert raised.value.version == Version(1, 7)
    assert history.count_documents({}) == 1


def test_an_operators_index_on_the_time_gets_the_expiry(storage: Storage) -> None:
    """MongoDB refuses a second index with this key, so no consumer could start."""
    history = storage.database[storage.settings.history_collection]
    history.create_index("at", name="by_time")
    history.create_index("at", name="some", partialFilterExpression={"op": "c"})

    storage.replica("a").prepare()
    storage.replica("b").prepare()

    found = history.index_information()
    assert found["by_time"]["expireAfterSeconds"] == storage.settings.history_days * 86_400
    assert "at_ttl" not in found
    assert "expireAfterSeconds" not in found["some"]
