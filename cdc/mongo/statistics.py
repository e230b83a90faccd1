"""Totals of a replica collection and rates of applied changes, for dashboards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pymongo import DESCENDING, MongoClient
from pymongo.collection import Collection

from cdc.conf import CdcSettings
from cdc.mongo.client import database, reaching
from cdc.mongo.content import LATEST
from cdc.mongo.plan import Document
from cdc.mongo.throughput import Passed, Throughput, throughput_of
from cdc.wire.event import Operation

_TOTALS_MS = 5_000
_RATES_MS = 1_000
_DATES: Document = {"$type": "date", "$lte": LATEST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The totals of a collection."""

    documents: int
    sums: Mapping[str, int]
    """The total of each requested field."""
    groups: Mapping[str, int]
    """The number of documents for each value of the grouping field, largest first."""
    days: Mapping[date, int]
    """The number of documents for each day in UTC, up to the last day with a document."""
    changed_at: datetime | None
    """When the newest change of the table in the history was saved; None if it has no change."""


class Statistics:
    """Reads totals and rates; each query has a time limit and raises Retryable if it fails."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._history = self._db[settings.history_collection]

    def figures(
        self, collection: str, *, table: str, sums: tuple[str, ...], group: str, day: str, days: int
    ) -> Figures:
        """Return the totals of a collection that stores the rows of `table`.

        `sums` are integer fields to total, and `group` is the field whose values are counted. `day`
        is a date field: the documents are counted for each of the `days` days that end with the
        newest date. In `sums` and `day`, values of other types are ignored.
        """
        documents = self._db[collection]
        with reaching():
            total = _first(documents, [{"$group": _totals(sums)}])
            groups = _aggregate(documents, [{"$sortByCount": f"${group}"}])
            return Figures(
                documents=total.get("documents", 0),
                sums={name: int(total.get(name, 0)) for name in sums},
                groups={str(row["_id"]): row["count"] for row in groups},
                days=_by_day(documents, day, days),
                changed_at=self._changed_at(table),
            )

    def rates(self, until: datetime, *, bins: int, seconds: int) -> list[float]:
        """Return the applied changes per second in each of `bins` intervals, oldest first.

        An interval is `seconds` long, and the last interval ends at `until`. A change belongs to
        the interval in which it was saved. All rates are 0 if no history is kept.
        """
        since = until - timedelta(seconds=bins * seconds)
        stages: list[Document] = [
            {"$match": {"at": {"$gte": since, "$lt": until}}},
            {"$group": {"_id": _interval("$at", since, seconds), "count": {"$sum": 1}}},
        ]
        with reaching():
            found = _aggregate(self._history, stages, _RATES_MS)
        counts = {int(row["_id"]): row["count"] for row in found}
        return [counts.get(place, 0) / seconds for place in range(bins)]

    def throughput(self, until: datetime, *, bins: int, seconds: int) -> Throughput:
        """Return the changes that passed through the pipeline in each of `bins` intervals.

        An interval is `seconds` long. The oldest interval is first, and the last one ends at
        `until`. Only changes that were captured in these intervals are counted. All numbers are 0
        if no history is kept.
        """
        since = until - timedelta(seconds=bins * seconds)
        stages: list[Document] = [
            {"$match": {"at": {"$gte": since, "$lt": until}}},
            {"$group": _passed(since, seconds)},
        ]
        with reaching():
            found = _aggregate(self._history, stages, _RATES_MS)
        return throughput_of(map(_passed_of, found), bins)

    def changes_since(self, since: datetime) -> int:
        """Return the number of applied changes saved since a time; 0 if no history is kept."""
        with reaching():
            return self._history.count_documents({"at": {"$gte": since}}, maxTimeMS=_RATES_MS)

    def _changed_at(self, table: str) -> datetime | None:
        newest = self._history.find_one(
            {"table": table, "at": _DATES},
            {"at": 1},
            sort=[("at", DESCENDING)],
            max_time_ms=_TOTALS_MS,
        )
        return newest["at"] if newest else None

    def changed_at(self, table: str) -> datetime | None:
        """Return when the newest change of the table in the history was saved, or None."""
        with reaching():
            return self._changed_at(table)


def _passed(since: datetime, seconds: int) -> Document:
    """Return the $group stage that counts changes by the intervals of capture and of the write."""
    is_date = {"$eq": [{"$type": "$applied_at"}, "date"]}
    delay = {"$subtract": ["$applied_at", "$at"]}
    return {
        "_id": {
            "captured": _interval("$at", since, seconds),
            "applied": {"$cond": [is_date, _interval("$applied_at", since, seconds), None]},
        },
        "changes": {"$sum": 1},
        "deletes": {"$sum": {"$cond": [{"$eq": ["$op", Operation.DELETE.value]}, 1, 0]}},
        "slowest": {"$max": {"$cond": [is_date, delay, 0]}},
    }


def _interval(moment: str, since: datetime, seconds: int) -> Document:
    return {"$floor": {"$divide": [{"$subtract": [moment, since]}, seconds * 1000]}}


def _passed_of(group: Document) -> Passed:
    applied = group["_id"]["applied"]
    return Passed(
        captured=int(group["_id"]["captured"]),
        applied=None if applied is None else int(applied),
        changes=group["changes"],
        deletes=group["deletes"],
        slowest=max(group["slowest"], 0) / 1000,
    )


def _totals(sums: tuple[str, ...]) -> Document:
    return {"_id": None, "documents": {"$sum": 1}, **{name: _sum(name) for name in sums}}


def _sum(name: str) -> Document:
    whole = {"$in": [{"$type": f"${name}"}, ["int", "long"]]}
    return {"$sum": {"$cond": [whole, f"${name}", 0]}}


def _by_day(documents: Collection[Document], field: str, days: int) -> dict[date, int]:
    newest = _first(
        documents,
        [{"$match": {field: _DATES}}, {"$group": {"_id": None, "at": {"$max": f"${field}"}}}],
    ).get("at")
    if newest is None:
        return {}
    first = newest.date() - timedelta(days=days - 1)
    start = datetime(first.year, first.month, first.day, tzinfo=newest.tzinfo)
    day = {"$dateTrunc": {"date": f"${field}", "unit": "day"}}
    found = _aggregate(
        documents, [{"$match": {field: {**_DATES, "$gte": start}}}, {"$sortByCount": day}]
    )
    counts = {row["_id"].date(): row["count"] for row in found}
    every = [first + timedelta(days=number) for number in range(days)]
    return {each: counts.get(each, 0) for each in every}


def _first(documents: Collection[Document], stages: list[Document]) -> Document:
    return next(iter(_aggregate(documents, stages)), {})


def _aggregate(
    documents: Collection[Document], stages: list[Document], limit_ms: int = _TOTALS_MS
) -> list[Document]:
    return list(documents.aggregate(stages, maxTimeMS=limit_ms))
