"""Public functions for dashboards that count the documents of a replica collection.

The names in `__all__` are documented and stay compatible. The functions use `settings.CDC`. They
raise Retryable if MongoDB is unavailable, or needs more than 5 s. A report reads all documents of
its period. If the period is long, cache the result for a few seconds.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from cdc.conf import cdc_settings
from cdc.mongo.client import connect
from cdc.mongo.plan import Document
from cdc.mongo.reports.keys import (
    Key,
    Measure,
    Unit,
    by_calendar,
    by_choice,
    by_field,
    by_host,
    by_minutes,
    count_matching,
    count_total,
)
from cdc.mongo.reports.reports import EARLIEST, Group, Period, Reports

__all__ = [
    "EARLIEST",
    "Group",
    "Key",
    "Measure",
    "Period",
    "Unit",
    "by_calendar",
    "by_choice",
    "by_field",
    "by_host",
    "by_minutes",
    "count_matching",
    "count_total",
    "read_extent",
    "read_groups",
    "read_highest",
    "read_last_change",
]


def read_last_change(table_name: str) -> datetime | None:
    """Return when the newest replicated change of a table was saved.

    The result is None if the history has no change of the table.
    """
    return _reports().last_change(table_name)


def read_extent(collection: str, field: str, until: datetime) -> tuple[datetime, datetime] | None:
    """Return the earliest and the latest date in `field` that are not after `until`.

    Return None if no such date is found. Dates before EARLIEST, the year 1000, are ignored.
    """
    return _reports().extent(collection, field, until)


def read_groups(
    collection: str,
    period: Period,
    *keys: Key,
    measures: Mapping[str, Measure] | None = None,
    limit: int = 1_000,
) -> list[Group]:
    """Count the documents of a period, grouped by `keys`.

    The largest groups come first, and at most `limit` groups are returned. The functions `by_...`
    return keys. `count_total` and `count_matching` return measures, which are counted in addition
    to the documents.
    """
    return _reports().groups(collection, period, keys, measures or {}, limit)


def read_highest(
    collection: str,
    period: Period,
    by: str,
    *,
    fields: tuple[str, ...],
    without: Mapping[str, Any],
    limit: int,
) -> list[Document]:
    """Return the `fields` of those documents of a period that have the largest integers in `by`.

    Documents with one of the values in `without` are left out.
    """
    return _reports().highest(collection, period, by, fields=fields, without=without, limit=limit)


# One client per process, created on first use.
@cache
def _reports() -> Reports:
    return Reports(connect(cdc_settings()), cdc_settings())
