"""After a change of the model: columns that documents lack or still have, on a real mongod."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from cdc.conf import CdcSettings
from cdc.mongo.client import database
from cdc.mongo.columns import DocumentColumns, Unlike
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.wire.columns import INTEGER, JSON, TEXT, Column
from tests.support.builders import ROUTES, SOURCE, TABLE, change, delivered
from tests.support.mongodb import connected

pytestmark = pytest.mark.services

BOXES = ("boxes", "boxes_1")
KEY = Column(name="id", attname="id", nullable=False, type=INTEGER)
LANGUAGE = Column(name="language", attname="language", nullable=False, type=TEXT)
OPTIONAL = replace(LANGUAGE, nullable=True)
DATA = Column(name="data", attname="data", nullable=False, type=JSON)


@pytest.fixture
def db(feed_settings: CdcSettings) -> Iterator[Database[dict[str, Any]]]:
    client = connected(feed_settings)
    db = database(client, feed_settings)
    for name in BOXES:
        db[name].insert_many({"_id": key, "id": key} for key in range(5))
    yield db
    client.drop_database(feed_settings.mongodb_database)
    client.close()


@pytest.fixture
def columns(
    db: Database[dict[str, Any]], feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> DocumentColumns:
    monkeypatch.setattr("cdc.mongo.columns._LOOK_SECONDS", 60.0)
    return DocumentColumns(db.client, feed_settings)


def look(columns: DocumentColumns, *wanted: Column) -> Unlike:
    """Record the columns of the documents, as a consumer does. Return what the status shows."""
    columns.look("boxes", wanted, BOXES)
    return columns.unlike("boxes", wanted, BOXES)


def test_an_added_column_is_lacking_until_every_collection_has_it(
    db: Database[dict[str, Any]], columns: DocumentColumns
) -> None:
    assert look(columns, KEY) == Unlike((), ())
    assert columns.recorded("boxes").columns == {"id": False}
    assert look(columns, KEY, LANGUAGE, DATA) == Unlike(("language", "data"), ())
    assert columns.recorded("boxes").columns == {"id": False}

    db["boxes"].update_many({}, {"$set": {"language": "en", "data": None}})
    assert look(columns, KEY, LANGUAGE, DATA) == Unlike(("language", "data"), ())

    db["boxes_1"].update_many({}, {"$set": {"language": "en", "data": None}})
    assert look(columns, KEY, LANGUAGE, DATA) == Unlike((), ())
    assert columns.recorded("boxes").columns == {"id": False, "language": False, "data": True}


def test_a_removed_column_is_left_over_until_no_document_has_it(
    db: Database[dict[str, Any]], columns: DocumentColumns
) -> None:
    for name in BOXES:
        db[name].update_many({}, {"$set": {"language": None}})
    assert look(columns, KEY, OPTIONAL) == Unlike((), ())

    assert look(columns, KEY) == Unlike((), ("language",))
    for name in BOXES:
        db[name].update_many({}, {"$unset": {"language": ""}})
    assert look(columns, KEY) == Unlike((), ())
    assert columns.recorded("boxes").columns == {"id": False}


def test_null_in_a_column_that_no_longer_allows_it_is_lacking(
    db: Database[dict[str, Any]], columns: DocumentColumns
) -> None:
    for name in BOXES:
        db[name].update_many({}, {"$set": {"language": None}})

    assert look(columns, KEY, OPTIONAL) == Unlike((), ())
    assert look(columns, KEY, LANGUAGE) == Unlike(("language",), ())
    assert look(columns, KEY, OPTIONAL) == Unlike((), ())


def test_a_recorded_column_is_not_looked_for(
    db: Database[dict[str, Any]], columns: DocumentColumns
) -> None:
    columns.remember("boxes", [KEY, LANGUAGE], columns.recorded("boxes"))

    assert columns.unlike("boxes", [KEY, LANGUAGE], BOXES) == Unlike((), ())
    assert columns.unlike("boxes", [KEY, LANGUAGE, DATA], BOXES) == Unlike(("data",), ())


def test_what_was_seen_before_an_incomplete_document_does_not_count(
    columns: DocumentColumns,
) -> None:
    before = columns.recorded("boxes")
    columns.forget("boxes", ["language"])

    columns.remember("boxes", [KEY, LANGUAGE], before)

    assert columns.recorded("boxes").columns == {}
    columns.remember("boxes", [KEY, LANGUAGE], columns.recorded("boxes"))
    columns.forget("boxes", ["language"])
    assert columns.recorded("boxes").columns == {"id": False}


def test_a_document_that_is_written_without_a_column_is_noticed(
    db: Database[dict[str, Any]], columns: DocumentColumns, feed_settings: CdcSettings
) -> None:
    replica = MongoReplica(db.client, feed_settings, ROUTES, "a", clock=SystemClock())
    replica.prepare()
    replica.take_over(SOURCE, "topic")
    route = ROUTES[TABLE]
    columns.look(TABLE, route.columns, route.collections)
    event = change("c", 1, 1)
    row = {name: value for name, value in (event.after or {}).items() if name != "title"}

    replica.apply([delivered(replace(event, after=row))], {SOURCE: 1})

    assert columns.unlike(TABLE, route.columns, route.collections) == Unlike(("title",), ())
    replica.apply([delivered(change("u", 1, 2))], {SOURCE: 2})
    assert columns.unlike(TABLE, route.columns, route.collections) == Unlike((), ())


def test_what_is_not_found_in_time_is_neither_recorded_nor_certain(
    columns: DocumentColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.mongo.columns._LOOK_SECONDS", 0.0)
    assert look(columns, KEY, LANGUAGE) == Unlike(("id", "language"), (), in_time=False)
    assert columns.recorded("boxes").columns == {}

    monkeypatch.undo()
    assert look(columns, KEY, LANGUAGE) == Unlike(("language",), ())


def test_a_slow_collection_ends_the_look(
    db: Database[dict[str, Any]], columns: DocumentColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.mongo.columns._LOOK_SECONDS", 0.5)
    slow = {"$where": "sleep(400); return false"}
    monkeypatch.setattr("cdc.mongo.columns._lacks", lambda _: slow)

    assert columns.unlike("boxes", [KEY, LANGUAGE], BOXES) == Unlike(
        ("id", "language"), (), in_time=False
    )
