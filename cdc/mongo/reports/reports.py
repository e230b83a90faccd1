"""Counts the documents of a period by any key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import database, reaching
from cdc.mongo.plan import Document
from cdc.mongo.reports.keys import Key, Measure
from cdc.mongo.statistics import Statistics

EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)
"""Earlier dates are ignored. They are mistakes, and a single one would make a period very long."""
_LIMIT_MS = 5_000
_DOCUMENTS = "documents"
_ENDS = 2
_WHOLE = ["int", "long"]
_IN_ORDER_OF_STORAGE = {"$natural": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The documents whose date is in `[since, until)`."""

    field: str
    """The field with the date."""
    since: datetime | None
    """None to begin with the first document."""
    until: datetime

    @property
    def condition(self) -> Document:
        return {self.field: {"$gte": self.since or EARLIEST, "$lt": self.until}}

    @property
    def hint(self) -> Document | None:
        """How MongoDB must read the documents; None to let MongoDB choose.

        To read all documents, MongoDB would choose the index on the date, which takes twice as
        long.
        """
        return None if self.since else _IN_ORDER_OF_STORAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The documents that have the same keys."""

    keys: tuple[Any, ...]
    """The values of the keys, of any type; None for missing values."""
    counts: Mapping[str, int]
    """The number of `documents`, and the measures."""


class Reports:
    """Reads reports. A query has a time limit of 5 s, and raises Retryable if it fails.

    The queries of one report see the collection at slightly different times.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._statistics = Statistics(client, settings)

    def last_change(self, table: str) -> datetime | None:
        """Return when the newest change of the table in the history was saved, or None."""
        return self._statistics.changed_at(table)

    def extent(
        self, collection: str, field: str, until: datetime
    ) -> tuple[datetime, datetime] | None:
        """Return the first and last date in a field up to `until`; None if there are no dates."""
        no_list = {"$not": {"$type": "array"}}
        dates = {field: {"$gte": EARLIEST, "$lte": until, **no_list}}
        ends = []
        with reaching():
            for order in (ASCENDING, DESCENDING):
                found = self._db[collection].find_one(
                    dates, {field: 1}, sort=[(field, order)], max_time_ms=_LIMIT_MS
                )
                ends += [found[field]] if found else []
        return (ends[0], ends[1]) if len(ends) == _ENDS else None

    def groups(
        self,
        collection: str,
        period: Period,
        keys: tuple[Key, ...],
        measures: Mapping[str, Measure],
        limit: int,
    ) -> list[Group]:
        """Return up to `limit` groups of documents with equal keys, the largest first."""
        named = {f"k{number}": key for number, key in enumerate(keys)}
        stages: list[Document] = [
            {"$match": period.condition},
            {"$group": {"_id": named, _DOCUMENTS: {"$sum": 1}, **measures}},
            {"$sort": {_DOCUMENTS: -1, "_id": 1}},
            {"$limit": limit},
        ]
        options: Any = {"hint": period.hint} if period.hint else {}
        with reaching():
            rows = list(self._db[collection].aggregate(stages, maxTimeMS=_LIMIT_MS, **options))
        return [
            Group(
                keys=tuple(row["_id"].get(name) for name in named),
                counts={name: int(row[name]) for name in (_DOCUMENTS, *measures)},
            )
            for row in rows
        ]

    def highest(
        self,
        collection: str,
        period: Period,
        by: str,
        *,
        fields: tuple[str, ...],
        without: Mapping[str, Any],
        limit: int,
    ) -> list[Document]:
        """Return the `fields` of the documents with the largest integers in the field `by`.

        Documents with one of the values in `without` are left out.
        """
        wanted: Document = {
            **period.condition,
            by: {"$type": _WHOLE},
            **{name: {"$ne": value} for name, value in without.items()},
        }
        found = (
            self._db[collection]
            .find(wanted, dict.fromkeys(fields, 1))
            .sort([(by, DESCENDING), ("_id", DESCENDING)])
            .limit(limit)
            .max_time_ms(_LIMIT_MS)
        )
        with reaching():
            return list(found.hint(list(period.hint.items())) if period.hint else found)
