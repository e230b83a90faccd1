"""Counts the documents of a period, and of the period before it, by any key."""

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
"""Earlier dates are ignored. They are mistakes, and one of them would make a period very long."""
_LIMIT_MS = 5_000
_DOCUMENTS = "documents"
_WHOLE = ["int", "long"]
_NOW, _BEFORE = "now_", "before_"
"""What the names of the counts of a period begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The documents whose date is in `[since, until)`, and the period before it."""

    field: str
    """The field with the date."""
    since: datetime
    until: datetime
    before: datetime
    """The start of the period before, which ends at `since`. If it is `since`, it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The documents that have the same keys."""

    keys: tuple[Any, ...]
    """The values of the keys, of any type; None for missing values."""
    now: Mapping[str, int]
    """The number of `documents` and the other measures in the period."""
    before: Mapping[str, int]
    """The same measures in the period before."""


class Reports:
    """Reads reports. A query has a time limit of 5 s, and raises Retryable if it fails.

    The queries of one report see the collection at slightly different times.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._statistics = Statistics(client, settings)

    def last_change(self, table: str) -> datetime | None:
        """Return when the newest applied change was saved, or None if no history is kept."""
        return self._statistics.changed_at(table)

    def extent(
        self, collection: str, field: str, until: datetime
    ) -> tuple[datetime, datetime] | None:
        """Return the first and the last date in a field up to `until`, or None without a date."""
        dates = {field: {"$gte": EARLIEST, "$lte": until}}
        ends = []
        with reaching():
            for order in (ASCENDING, DESCENDING):
                found = self._db[collection].find_one(
                    dates, {field: 1}, sort=[(field, order)], max_time_ms=_LIMIT_MS
                )
                if found is None:
                    return None
                ends.append(found[field])
        return ends[0], ends[1]

    def groups(
        self,
        collection: str,
        period: Period,
        keys: tuple[Key, ...],
        measures: Mapping[str, Measure],
        limit: int,
    ) -> list[Group]:
        """Return up to `limit` groups of documents with equal keys, the largest first."""
        stages = [
            {"$match": {period.field: {"$gte": period.before, "$lt": period.until}}},
            _in_both_periods(period, keys, measures),
            _side_by_side(len(keys), (_DOCUMENTS, *measures)),
            {"$sort": {_NOW + _DOCUMENTS: -1, _BEFORE + _DOCUMENTS: -1, "_id": 1}},
            {"$limit": limit},
        ]
        with reaching():
            rows = list(self._db[collection].aggregate(stages, maxTimeMS=_LIMIT_MS))
        return [
            Group(
                keys=tuple(row["_id"][_key(number)] for number in range(len(keys))),
                now=_side(row, _NOW),
                before=_side(row, _BEFORE),
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

        Documents that have one of the values `without` are left out.
        """
        wanted: Document = {
            period.field: {"$gte": period.since, "$lt": period.until},
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
            return list(found)


def _key(number: int) -> str:
    return f"k{number}"


def _in_both_periods(
    period: Period, keys: tuple[Key, ...], measures: Mapping[str, Measure]
) -> Document:
    """Return the stage that groups by the keys and by the period."""
    named = {_key(number): key for number, key in enumerate(keys)}
    now = {"$gte": [f"${period.field}", period.since]}
    return {"$group": {"_id": {"now": now, **named}, _DOCUMENTS: {"$sum": 1}, **measures}}


def _side_by_side(keys: int, measures: tuple[str, ...]) -> Document:
    """Return the stage that puts the counts of both periods into one group."""
    named = {_key(number): {"$ifNull": [f"$_id.{_key(number)}", None]} for number in range(keys)}
    counts: Document = {}
    for name in measures:
        counts[_NOW + name] = {"$sum": {"$cond": ["$_id.now", f"${name}", 0]}}
        counts[_BEFORE + name] = {"$sum": {"$cond": ["$_id.now", 0, f"${name}"]}}
    return {"$group": {"_id": named, **counts}}


def _side(row: Document, side: str) -> dict[str, int]:
    return {
        name.removeprefix(side): int(value) for name, value in row.items() if name.startswith(side)
    }
