"""Finds documents whose columns differ from the columns of their model."""

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
"""The maximum number of seconds for a search through the documents of a table.

A search through a large collection may reach this limit.
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The columns that every document of a table is known to have."""

    columns: Mapping[str, bool]
    """For each column name, whether the column allowed null when it was recorded."""
    lacked: int
    """A counter that increases when documents that lack a column are written.

    The result of a search is recorded only if the counter has not changed during the search.
    """


@dataclass(frozen=True, slots=True)
class Unlike:
    """The columns in which documents differ from their model."""

    lacking: tuple[str, ...]
    """Columns that have no value in at least one document."""
    left_over: tuple[str, ...]
    """Columns that at least one document has, although the model no longer has them."""
    in_time: bool = True
    """False if the search timed out.

    `lacking` and `left_over` then also contain the columns that were not searched completely.
    """


class DocumentColumns:
    """Compares the columns of documents with the columns of models.

    Each method raises Retryable if MongoDB is unavailable.

    Without an index, MongoDB reads a whole collection to find that no document lacks a column.
    The result is therefore recorded, and the search is not repeated.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._record = self._db[settings.columns_collection]

    def recorded(self, table: str) -> Recorded:
        """Return the columns that every document of a table is known to have."""
        with reaching():
            found = self._record.find_one({"_id": table}) or {}
        columns = {item["name"]: item["null"] for item in found.get("columns", ())}
        return Recorded(columns, found.get("lacked", 0))

    def unlike(self, table: str, columns: Sequence[Column], collections: Iterable[str]) -> Unlike:
        """Return how the documents of a table differ from `columns`.

        Columns that are already recorded are not searched.
        """
        return self._unlike(self.recorded(table), columns, collections)

    def look(self, table: str, columns: Sequence[Column], collections: Iterable[str]) -> None:
        """Search the documents of a table, and record the columns that all of them have."""
        recorded = self.recorded(table)
        unlike = self._unlike(recorded, columns, collections)
        seen = {column.name: column.null for column in columns if column.name not in unlike.lacking}
        left_over = {name: recorded.columns[name] for name in unlike.left_over}
        self._write(table, {**seen, **left_over}, recorded)

    def remember(self, table: str, columns: Iterable[Column], before: Recorded) -> None:
        """Record that every document has exactly these columns.

        `before` is what `recorded()` returned before the documents were read.
        """
        self._write(table, {column.name: column.null for column in columns}, before)

    def forget(self, table: str, names: Iterable[str]) -> None:
        """Remove columns from the record, because documents without them are being written."""
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
        """Return the conditions that a document fulfils (True) or whose search timed out (None)."""
        any_of_them: Document = {"$or": list(conditions.values())}
        if not conditions or self._any(any_of_them, collections, until) is False:
            return {}
        found = {name: self._any(each, collections, until) for name, each in conditions.items()}
        return {name: fulfilled for name, fulfilled in found.items() if fulfilled is not False}

    def _any(self, condition: Document, collections: Iterable[str], until: float) -> bool | None:
        """Return whether a document fulfils a condition, or None if the search timed out."""
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
                return  # Documents that lack a column have been written since `before` was read.


def _lacks(column: Column) -> Document:
    """Return the condition that a document has no value for the column."""
    return {column.name: {"$exists": False} if column.null else None}
