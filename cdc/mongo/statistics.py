"""Sums over a replica collection, for people; every read is bounded in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pymongo import DESCENDING, MongoClient
from pymongo.collection import Collection

from cdc.conf import CdcSettings
from cdc.mongo.client import database, reaching
from cdc.mongo.plan import Document

_MOST_MS = 5_000
_PULSE_MOST_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a collection holds."""

    documents: int
    sums: Mapping[str, int]
    """The total of each field that was asked for."""
    groups: Mapping[str, int]
    """Documents by the value of the grouping field, most first."""
    days: Mapping[date, int]
    """Documents of each day, in UTC; up to the last day that has any, without gaps."""
    changed_at: datetime | None
    """When the newest change was made that the copy holds; None when no history is kept."""


class FiguresReader:
    """Reads one collection; the caller names its fields. Raises Retryable while MongoDB is away."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings, table: str) -> None:
        self._db = database(client, settings)
        self._history = self._db[settings.history_collection]
        self._table = table

    def read(
        self, collection: str, *, sums: tuple[str, ...], group: str, day: str, days: int
    ) -> Figures:
        """Sum `sums`, count by `group` and by the day of the date field `day`."""
        documents = self._db[collection]
        with reaching():
            total = _first(documents, [{"$group": _totals(sums)}])
            groups = _rows(documents, [{"$sortByCount": f"${group}"}])
            return Figures(
                documents=total.get("documents", 0),
                sums={name: total.get(name, 0) for name in sums},
                groups={str(row["_id"]): row["count"] for row in groups},
                days=_by_day(documents, day, days),
                changed_at=self._changed_at(),
            )

    def _changed_at(self) -> datetime | None:
        newest = self._history.find_one(
            {"table": self._table}, {"at": 1}, sort=[("at", DESCENDING)], max_time_ms=_MOST_MS
        )
        return newest["at"] if newest else None


class PulseReader:
    """Reads the history's index of times; raises Retryable when that takes over a second."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._history = database(client, settings)[settings.history_collection]

    def rates(self, until: datetime, *, bins: int, seconds: int) -> list[float]:
        """Return changes a second in `bins` spans of `seconds` up to `until`, oldest first.

        A change counts when it was saved, once it has been applied. With `HISTORY_DAYS=0` there
        are none.
        """
        since = until - timedelta(seconds=bins * seconds)
        number = {"$floor": {"$divide": [{"$subtract": ["$at", since]}, seconds * 1000]}}
        stages: list[Document] = [
            {"$match": {"at": {"$gte": since, "$lt": until}}},
            {"$group": {"_id": number, "n": {"$sum": 1}}},
        ]
        with reaching():
            found = list(self._history.aggregate(stages, maxTimeMS=_PULSE_MOST_MS))
        counts = {int(row["_id"]): row["n"] for row in found}
        return [counts.get(place, 0) / seconds for place in range(bins)]


def _totals(sums: tuple[str, ...]) -> Document:
    return {"_id": None, "documents": {"$sum": 1}, **{name: {"$sum": f"${name}"} for name in sums}}


def _by_day(documents: Collection[Document], field: str, days: int) -> dict[date, int]:
    newest = _first(documents, [{"$group": {"_id": None, "at": {"$max": f"${field}"}}}]).get("at")
    if newest is None:
        return {}
    first = newest.date() - timedelta(days=days - 1)
    start = datetime(first.year, first.month, first.day, tzinfo=newest.tzinfo)
    found = _rows(
        documents,
        [
            {"$match": {field: {"$gte": start}}},
            {
                "$group": {
                    "_id": {"$dateTrunc": {"date": f"${field}", "unit": "day"}},
                    "n": {"$sum": 1},
                }
            },
        ],
    )
    counts = {row["_id"].date(): row["n"] for row in found}
    every = [first + timedelta(days=number) for number in range(days)]
    return {day: counts.get(day, 0) for day in every}


def _first(documents: Collection[Document], stages: list[dict[str, Any]]) -> Document:
    return next(iter(_rows(documents, stages)), {})


def _rows(documents: Collection[Document], stages: list[dict[str, Any]]) -> list[Document]:
    return list(documents.aggregate(stages, maxTimeMS=_MOST_MS))
