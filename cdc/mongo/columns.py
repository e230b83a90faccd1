"""Which columns the documents of a table have, after the columns of its model were changed."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, ExecutionTimeout

from cdc.conf import CdcSettings
from cdc.mongo.client import database, reaching
from cdc.mongo.plan import Document
from cdc.wire.columns import Column

_LOOK_SECONDS = 4.0
"""How long all documents of a table are looked at; large collections take longer to read."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The columns that every document of a table was seen to have."""

    columns: Mapping[str, bool]
    """By name: whether the column allowed null."""
    lacked: int
    """How often documents that lack a column were written: what was seen before does not count."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """Columns in which documents are unlike their model."""

    lacking: tuple[str, ...]
    """Columns without a value in some document."""
    left_over: tuple[str, ...]
    """Columns that the model no longer has, and some document does."""
    in_time: bool = True
    """False if the time did not suffice: then documents may be unlike in these columns or not."""


class DocumentColumns:
    """Compares the columns of documents with those of models; each method raises Retryable.

    A collection without an index on a column is read from one end to the other to find that no
    document lacks it. So what was seen is recorded, and is not looked for again.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._record = self._db[f"{settings.positions_collection}_columns"]

    def recorded(self, table: str) -> Recorded:
        """Return the columns that every document of a table was seen to have."""
        with reaching():
            found = self._record.find_one({"_id": table}) or {}
        columns = {item["name"]: item["null"] for item in found.get("columns", ())}
        return Recorded(columns, found.get("lacked", 0))

    def unlike(self, table: str, columns: Sequence[Column], collections: Iterable[str]) -> Unlike:
        """Return how the documents of a table differ from `columns`; recorded ones do not."""
        return self._unlike(self.recorded(table), columns, collections)

    def look(self, table: str, columns: Sequence[Column], collections: Iterable[str]) -> None:
        """Record the columns that every document of a table has."""
        recorded = self.recorded(table)
        unlike = self._unlike(recorded, columns, collections)
        seen = {column.name: column.null for column in columns if column.name not in unlike.lacking}
        left_over = {name: recorded.columns[name] for name in unlike.left_over}
        self._write(table, {**seen, **left_over}, recorded)

    def remember(self, table: str, columns: Iterable[Column], before: Recorded) -> None:
        """Record that every document was seen to have exactly these columns.

        `before` was read before the documents were.
        """
        self._write(table, {column.name: column.null for column in columns}, before)

    def forget(self, table: str, names: Iterable[str]) -> None:
        """Forget columns that documents lack which are written now."""
        change = {"$pull": {"columns": {"name": {"$in": sorted(names)}}}, "$inc": {"lacked": 1}}
        with reaching():
            self._record.update_one({"_id": table}, change, upsert=True)

    def _unlike(
        self, recorded: Recorded, columns: Sequence[Column], collections: Iterable[str]
    ) -> Unlike:
        new = [each for each in columns if recorded.columns.get(each.name) is not each.null]
        gone = recorded.columns.keys() - {column.name for column in columns}
        lacks = {column.name: _lacks(column) for column in new}
        holds: dict[str, Document] = {name: {name: {"$exists": True}} for name in sorted(gone)}
        names, until = list(collections), time.monotonic() + _LOOK_SECONDS
        lacking, left_over = self._found(lacks, names, until), self._found(holds, names, until)
        in_time = None not in {*lacking.values(), *left_over.values()}
        return Unlike(tuple(lacking), tuple(left_over), in_time)

    def _found(
        self, conditions: Mapping[str, Document], collections: Sequence[str], until: float
    ) -> dict[str, bool | None]:
        """Return the conditions that some document fulfils: None if that was not found in time."""
        any_of_them: Document = {"$or": list(conditions.values())}
        if not conditions or self._any(any_of_them, collections, until) is False:
            return {}
        found = {name: self._any(each, collections, until) for name, each in conditions.items()}
        return {name: fulfilled for name, fulfilled in found.items() if fulfilled is not False}

    def _any(self, condition: Document, collections: Iterable[str], until: float) -> bool | None:
        """Return whether a document fulfils a condition; None if that was not found in time."""
        for name in collections:
            left_ms = int((until - time.monotonic()) * 1000)
            if left_ms < 1:
                return None
            with reaching():
                try:
                    if self._db[name].find_one(condition, {"_id": 1}, max_time_ms=left_ms):
                        return True
                except ExecutionTimeout:
                    return None
        return False

    def _write(self, table: str, columns: Mapping[str, bool], before: Recorded) -> None:
        if columns == before.columns:
            return
        wanted = [{"name": name, "null": null} for name, null in columns.items()]
        with reaching():
            try:
                self._record.update_one(
                    {"_id": table, "lacked": before.lacked},
                    {"$set": {"columns": wanted}},
                    upsert=True,
                )
            except DuplicateKeyError:
                return  # Documents that lack a column were written since.


def _lacks(column: Column) -> Document:
    """Return the condition of a document without a value for the column."""
    return {column.name: {"$exists": False} if column.null else None}
