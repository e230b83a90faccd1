"""Measures the writes of one change to MongoDB without this project's code."""

import time
from typing import Any

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from tests.bench.watcher import Watcher

_MAJORITY = WriteConcern("majority")
_PAUSE_SECONDS = 0.01


def seconds_until_visible(uri: str, collections: int, changes: int) -> list[float]:
    """Return the seconds that each of `changes` transactions takes until its change is visible.

    A transaction contains the writes that a change needs at least: a replacement in each of the
    `collections`, an insert into a history, and an update of a position.
    """
    name = f"bench_transaction_{collections}"
    with MongoClient[dict[str, Any]](uri) as client:
        database = client[name]
        for number in range(collections):
            database[f"c{number}"].insert_one({"_id": 1, "diggs": 0})
        database["history"].insert_one({"_id": 0})
        database["positions"].insert_one({"_id": 1, "offset": 0})
        with Watcher(uri, name, "c0") as watcher:
            begun = [_write(database, collections, number) for number in range(1, changes + 1)]
            while len(watcher.sights) < changes:
                time.sleep(_PAUSE_SECONDS)
        client.drop_database(name)
    return [sight.at - at for sight, at in zip(watcher.sights, begun, strict=True)]


def _write(database: Database[dict[str, Any]], collections: int, number: int) -> float:
    """Return when the transaction began; pause after it, as at a low rate of changes."""

    def change(session: ClientSession) -> None:
        for each in range(collections):
            document = {"diggs": number, "description": "x" * 1_000}
            database[f"c{each}"].replace_one({"_id": 1}, document, session=session)
        database["history"].insert_one({"_id": number, "after": "x" * 2_000}, session=session)
        position = {"$set": {"offset": number}}
        database["positions"].update_one({"_id": 1}, position, session=session)

    began = time.monotonic()
    with database.client.start_session() as session:
        session.with_transaction(change, write_concern=_MAJORITY)
    time.sleep(_PAUSE_SECONDS)
    return began
