"""Counts of a period, on a real mongod."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import DatetimeMS, Decimal128
from pymongo import MongoClient
from pymongo.collection import Collection

from cdc.conf import CdcSettings
from cdc.mongo.client import database
from cdc.mongo.reports.indexes import ensure_indexes
from cdc.mongo.reports.keys import (
    Key,
    Unit,
    by_calendar,
    by_choice,
    by_field,
    by_host,
    by_minutes,
    count_matching,
    count_total,
)
from cdc.mongo.reports.reports import Period, Reports
from tests.support.mongodb import connected

pytestmark = pytest.mark.services
MARCH = datetime(2010, 3, 1, tzinfo=UTC)
PERIOD = Period(field="made", since=MARCH, until=MARCH + timedelta(days=31))
ALL = replace(PERIOD, since=None)


@pytest.fixture
def client(
    feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MongoClient[dict[str, Any]]]:
    monkeypatch.setattr("cdc.mongo.reports.reports._LIMIT_MS", 60_000)
    client = connected(feed_settings)
    yield client
    client.drop_database(feed_settings.mongodb_database)
    client.close()


@pytest.fixture
def boxes(
    client: MongoClient[dict[str, Any]], feed_settings: CdcSettings
) -> Collection[dict[str, Any]]:
    return database(client, feed_settings)["boxes"]


@pytest.fixture
def reports(client: MongoClient[dict[str, Any]], feed_settings: CdcSettings) -> Reports:
    return Reports(client, feed_settings)


def made(day: int, **columns: Any) -> dict[str, Any]:
    return {"made": MARCH + timedelta(days=day), **columns}


def keys_of(reports: Reports, key: Key, period: Period = PERIOD) -> dict[Any, int]:
    found = reports.groups("boxes", period, (key,), {}, 100)
    return {group.keys[0]: group.counts["documents"] for group in found}


def test_a_group_has_the_counts_of_the_period(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    boxes.insert_many(
        [
            made(0, colour={"name": "red"}, weight=3, state="sold"),
            made(30, colour={"name": "red"}, weight=2**40),
            made(30, colour={"name": "blue"}, weight="much"),
            made(31, colour={"name": "red"}, weight=100),
            made(-1, colour={"name": "red"}, weight=100),
        ]
    )
    measures = {"weight": count_total("weight"), "sold": count_matching("state", "sold")}
    red, blue = reports.groups("boxes", PERIOD, (by_field("colour.name"),), measures, 10)
    assert (red.keys, blue.keys) == (("red",), ("blue",))
    assert red.counts == {"documents": 2, "weight": 3 + 2**40, "sold": 1}
    assert blue.counts == {"documents": 1, "weight": 0, "sold": 0}
    assert len(reports.groups("boxes", PERIOD, (by_field("colour.name"),), measures, 1)) == 1
    (whole,) = reports.groups("boxes", ALL, (), {}, 10)
    assert (whole.keys, whole.counts) == ((), {"documents": 4})


def test_groups_of_equal_size_have_a_fixed_order(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    boxes.insert_many(made(1, colour=each) for each in ("b", "c", "a", "c"))
    assert list(keys_of(reports, by_field("colour"))) == ["c", "a", "b"]


def test_the_first_field_with_a_value_is_the_key(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    boxes.insert_many(
        [made(1, by={"name": "Ann"}, by_id=1), made(1, by={}, by_id=7), made(1, by=None), made(1)]
    )
    assert keys_of(reports, by_field("by.name", "by_id")) == {"Ann": 1, 7: 1, None: 2}
    assert keys_of(reports, by_field("by.name")) == {"Ann": 1, None: 3}


def test_other_values_than_the_choices_are_one_group(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    boxes.insert_many(made(1, colour=each) for each in ("red", "blue", "green", 7, ["red"], None))
    assert keys_of(reports, by_choice("colour", ["red", "blue"])) == {"red": 1, "blue": 1, None: 4}


def test_a_choice_with_a_dollar_sign_is_not_the_name_of_a_field(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    boxes.insert_many(made(1, colour=each) for each in ("$colour", "$$absent", "green"))
    chosen = by_choice("colour", ["$colour", "$$absent"])
    assert keys_of(reports, chosen) == {"$colour": 1, "$$absent": 1, None: 1}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://www.Site.example/a/b", "www.Site.example"),
        ("http://site.example", "site.example"),
        ("http://a.example/http://b.example/", "a.example"),
        ("https://site.example:8080/", "site.example:8080"),
        ("//site.example/a", "site.example"),
        ("mailto:a@b.example", None),
        ("", None),
        (7, None),
        (["https://a.example/"], None),
        (None, None),
    ],
)
def test_the_host_of_an_address(
    boxes: Collection[dict[str, Any]], reports: Reports, address: Any, host: str | None
) -> None:
    boxes.insert_one(made(1, link=address))
    assert keys_of(reports, by_host("link")) == {host: 1}


@pytest.mark.parametrize(
    ("unit", "first"),
    [
        (Unit.DAY, datetime(2010, 3, 14, tzinfo=UTC)),
        (Unit.WEEK, datetime(2010, 3, 8, tzinfo=UTC)),  # a Monday
        (Unit.MONTH, datetime(2010, 3, 1, tzinfo=UTC)),
        (Unit.YEAR, datetime(2010, 1, 1, tzinfo=UTC)),
    ],
)
def test_units_of_the_calendar_begin_at_midnight(
    boxes: Collection[dict[str, Any]], reports: Reports, unit: Unit, first: datetime
) -> None:
    moments = (datetime(2010, 3, 14, tzinfo=UTC), datetime(2010, 3, 14, 23, 59, 59, tzinfo=UTC))
    boxes.insert_many({"made": each} for each in moments)
    assert keys_of(reports, by_calendar("made", unit)) == {first: 2}


@pytest.mark.parametrize("unit", Unit)
def test_old_dates_have_a_place_in_the_calendar(
    boxes: Collection[dict[str, Any]], reports: Reports, unit: Unit
) -> None:
    moment = datetime(1001, 6, 3, 12, tzinfo=UTC)
    boxes.insert_one({"made": moment})
    (key,) = keys_of(reports, by_calendar("made", unit), period=ALL)
    assert moment - timedelta(days=366) < key <= moment
    assert (key.hour, key.minute, key.weekday()) == (
        0,
        0,
        key.weekday() if unit is not Unit.WEEK else 0,
    )


def test_minutes_between_two_dates(boxes: Collection[dict[str, Any]], reports: Reports) -> None:
    start = MARCH + timedelta(days=1)
    ends = [start + timedelta(seconds=119), start - timedelta(seconds=1), None, "soon"]
    boxes.insert_many({"made": start, "sold": each} for each in ends)
    assert keys_of(reports, by_minutes("made", "sold")) == {1: 1, -1: 1, None: 2}


def test_documents_of_any_shape_are_counted(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    """Another program may have written the documents."""
    odd = [None, 7, 1.5, [], [{"name": "a"}], {"name": ["a"]}, "text", Decimal128("1"), MARCH]
    boxes.insert_many([made(1, odd=each) for each in odd])
    boxes.insert_many([{"made": each} for each in (None, "text", 7, DatetimeMS(-(2**62)), [MARCH])])
    keys = (by_host("odd"), by_minutes("odd", "odd.name"), by_choice("odd", ["a"]))
    days = (by_calendar("made", unit) for unit in Unit)
    for key in (*keys, *days, by_field("odd.name", "odd")):
        measures = {"a": count_total("odd"), "b": count_matching("odd", "text")}
        found = reports.groups("boxes", PERIOD, (key,), measures, 100)
        assert sum(group.counts["documents"] for group in found) >= len(odd)
        assert sum(group.counts["b"] for group in found) == 1
    assert (
        reports.highest("boxes", PERIOD, "odd", fields=("odd",), without={}, limit=9)[0]["odd"] == 7
    )


def test_the_highest_documents(boxes: Collection[dict[str, Any]], reports: Reports) -> None:
    rows = [(1, 5, "open"), (2, 9, "rejected"), (3, "99", "open"), (4, 7, "open"), (5, 7, "open")]
    boxes.insert_many(made(1, _id=key, weight=each, state=state) for key, each, state in rows)
    boxes.insert_one(made(-1, _id=6, weight=1_000))
    found = reports.highest(
        "boxes", PERIOD, "weight", fields=("weight",), without={"state": "rejected"}, limit=2
    )
    assert found == [{"_id": 5, "weight": 7}, {"_id": 4, "weight": 7}]
    found = reports.highest("boxes", ALL, "weight", fields=("weight",), without={}, limit=1)
    assert found == [{"_id": 6, "weight": 1_000}]


def test_the_extent_ignores_impossible_dates(
    boxes: Collection[dict[str, Any]], reports: Reports
) -> None:
    assert reports.extent("boxes", "made", MARCH) is None
    later, early = MARCH + timedelta(days=9_000), datetime(2, 1, 1, tzinfo=UTC)
    boxes.insert_many(
        {"made": each}
        for each in (later, early, DatetimeMS(2**62), DatetimeMS(-(2**62)), "text", None, [MARCH])
    )
    assert reports.extent("boxes", "made", MARCH) is None
    boxes.insert_many([made(-9), made(-3), made(0)])
    assert reports.extent("boxes", "made", MARCH) == (MARCH - timedelta(days=9), MARCH)


def test_an_index_is_created_once(boxes: Collection[dict[str, Any]]) -> None:
    boxes.create_index([("weight", -1)], name="of the operator")
    for _ in range(2):
        ensure_indexes(boxes, ("made", "weight"))
    assert set(boxes.index_information()) == {"_id_", "made_1", "of the operator"}


def test_a_period_is_read_through_the_index(
    boxes: Collection[dict[str, Any]], reports: Reports, client: MongoClient[dict[str, Any]]
) -> None:
    ensure_indexes(boxes, ("made",))
    boxes.insert_many(made(-day) for day in range(500))
    boxes.database.command("profile", 2)
    try:
        keys_of(reports, by_field("colour"))
        reports.extent("boxes", "made", MARCH)
    finally:
        boxes.database.command("profile", 0)
    entries = list(boxes.database["system.profile"].find({"ns": boxes.full_name}))
    assert len(entries) == 3
    assert all(entry["docsExamined"] < 100 for entry in entries), entries
