"""Documents that another program has changed cause no errors, and are repaired."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import orjson
import pytest
from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from cdc.audience import Audience
from cdc.capture.images import read_images
from cdc.conf import CdcSettings
from cdc.dead_letters.inspection import Inspector
from cdc.feed.rendering import Renderer
from cdc.mongo.client import connect, database
from cdc.mongo.history import History
from cdc.mongo.reader import ReplicaReader
from cdc.mongo.replica import MongoReplica
from cdc.mongo.statistics import Statistics
from cdc.registry import registry
from cdc.resync.comparison import Comparison, DifferenceKind
from cdc.runtime.clock import SystemClock
from cdc.status.latency import delays_of
from cdc.wire.event import Version
from stories.models import Story
from tests.support.builders import COLLECTIONS, ROUTES, SOURCE, change, delivered
from tests.support.letters import letter_about

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]

FAR = DatetimeMS(400_000_000_000_000)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


ODD: dict[str, Any] = {
    "a date after 9999": FAR,
    "a date before 1": DatetimeMS(-(2**62)),
    "a decimal": Decimal128("1.5"),
    "no number": Decimal128("NaN"),
    "binary": Binary(b"\xff\x00", 4 + 124),
    "bytes": b"\xff",
    "a pattern": Regex("(", "x"),
    "code": Code("function() {}"),
    "code with a scope": Code("x", {"y": 1}),
    "a timestamp": Timestamp(1, 2),
    "the least key": MinKey(),
    "the greatest key": MaxKey(),
    "an id": ObjectId(),
    "a reference": DBRef("other", 5, "elsewhere", more=1),
    "a reference in a list": [DBRef("other", DBRef("x", 1))],
    "a half reference": {"$ref": 5},
    "a long": Int64(2**62),
    "deep": nested(150),
    "infinite": float("inf"),
    "not a number": float("nan"),
    "true": True,
    "a list": [None, [FAR]],
}
FIELDS = ("title", "comments", "submit_date", "container", "status", "_version", "_epoch", "id")


@pytest.fixture
def client(feed_settings: CdcSettings) -> Iterator[MongoClient[dict[str, Any]]]:
    client = connect(feed_settings)
    yield client
    client.drop_database(feed_settings.mongodb_database)
    client.close()


class Ends:
    """A story in the table and, with the same content, in the replica."""

    def __init__(self, client: MongoClient[dict[str, Any]], settings: CdcSettings) -> None:
        self.settings = settings
        self.db = database(client, settings)
        self.reader = ReplicaReader(client, settings)
        self.capture = registry.by_table()["stories_story"]
        self.comparison = Comparison(self.capture, self.reader, lambda: None, using="default")
        self.replica = MongoReplica(client, settings, ROUTES, "a", clock=SystemClock())
        self.replica.prepare()
        self.replica.take_over(SOURCE, "topic 1")
        self.story = Story.objects.create(title="one", href="http://a.example/")
        self.number = 0
        self.send()

    def send(self) -> None:
        """Apply an event with the content of the row, as a repair does."""
        self.number += 1
        event = change("r", self.story.pk, self.number)
        images = read_images(self.capture, [self.story.pk], using="default")
        row = self.capture.wire_row(images[self.story.pk])
        item = delivered(event.__class__(**{**_fields(event), "after": row}))
        self.replica.apply([item], {SOURCE: self.number})

    def differences(self) -> list[DifferenceKind]:
        return [each.kind for each in self.comparison.confirmed([self.story.pk], gone=False)]

    def document(self, name: str) -> RawBSONDocument:
        raw = self.db[name].with_options(bson.CodecOptions(document_class=RawBSONDocument))
        found = raw.find_one({"_id": self.story.pk})
        assert found is not None
        return found


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


@pytest.fixture
def ends(client: MongoClient[dict[str, Any]], feed_settings: CdcSettings) -> Ends:
    return Ends(client, feed_settings)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_is_a_difference_that_a_repair_replaces(ends: Ends, name: str) -> None:
    assert ends.differences() == []
    for field in FIELDS:
        odd = ends.db[COLLECTIONS[1]].update_one(
            {"_id": ends.story.pk}, {"$set": {field: ODD[name]}}
        )
        assert odd.matched_count == 1
        valid = field in {"_version", "_epoch"} and name == "a long"
        if not valid:
            assert ends.differences() == [DifferenceKind.STALE], field
            ends.send()
        else:
            ends.db[COLLECTIONS[1]].update_one({"_id": ends.story.pk}, {"$set": {field: 1}})
    assert ends.differences() == []
    first, *others = (bytes(ends.document(each).raw) for each in COLLECTIONS)
    assert others == [first, first]


def test_invalid_text_is_a_difference_that_a_repair_replaces(ends: Ends) -> None:
    raw = bytes(ends.document(COLLECTIONS[0]).raw).replace(b"one\x00", b"\xff\xffe\x00")
    ends.db[COLLECTIONS[0]].delete_one({"_id": ends.story.pk})
    ends.db[COLLECTIONS[0]].with_options(
        bson.CodecOptions(document_class=RawBSONDocument)
    ).insert_one(RawBSONDocument(raw))

    assert ends.differences() == [DifferenceKind.STALE]
    ends.send()
    assert ends.differences() == []


@pytest.mark.parametrize("kind", [float, Decimal128, Int64])
def test_a_key_that_is_another_kind_of_number_is_replaced(ends: Ends, kind: type[Any]) -> None:
    document = ends.db[COLLECTIONS[2]].find_one_and_delete({"_id": ends.story.pk}) or {}
    ends.db[COLLECTIONS[2]].insert_one({**document, "_id": kind(str(ends.story.pk))})

    if kind is not Int64:
        assert ends.differences() == [DifferenceKind.STALE]
    ends.send()

    assert ends.differences() == []
    assert isinstance(ends.document(COLLECTIONS[2])["_id"], int)
    assert ends.db[COLLECTIONS[2]].count_documents({}) == 1


def test_keys_of_every_type_are_walked(ends: Ends) -> None:
    refused = ("a pattern", "a reference", "a reference in a list", "a half reference", "a list")
    # "no number" is NaN, which equals another key. MongoDB's `min` excludes the greatest key.
    others = (*refused, "no number", "the greatest key")
    keys = [ODD[name] for name in ODD if name not in others]
    ends.db["walked"].insert_many([{"_id": key} for key in [*keys, 2, 3]])

    found: list[Any] = []
    while page := ends.reader.keys_after("walked", found[-1] if found else None, 1):
        found += page
        assert len(found) <= len(keys) + 2

    assert [key for key in keys if repr(key) not in set(map(repr, found))] == []


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_can_be_inspected(ends: Ends, name: str) -> None:
    fields = dict.fromkeys(FIELDS, ODD[name])
    ends.db[COLLECTIONS[1]].update_one({"_id": ends.story.pk}, {"$set": fields})

    seen = Inspector(ends.settings, "default").inspect(
        letter_about(ends.story.pk), Audience.OPERATORS
    )

    assert set(seen.differing) >= {"title", "comments", "submit_date"}
    assert json.dumps(seen.as_json())


def test_odd_values_do_not_count_in_totals(ends: Ends) -> None:
    rest = [{field: value for field in FIELDS if field != "id"} for value in ODD.values()]
    ends.db[COLLECTIONS[0]].insert_many(rest)
    ends.db[ends.settings.history_collection].insert_many(
        [{"table": "stories_story", "at": value} for value in ODD.values()]
    )

    figures = Statistics(ends.db.client, ends.settings).figures(
        COLLECTIONS[0],
        table="stories_story",
        sums=("comments", "title"),
        group="status",
        day="submit_date",
        days=7,
    )

    assert figures.documents == len(ODD) + 1
    assert figures.sums == {"comments": 2**62, "title": 2**62}
    assert sum(figures.days.values()) == 1
    assert figures.changed_at is not None
    assert figures.changed_at.year < 9999


def history_document(number: int, **more: Any) -> dict[str, Any]:
    row = {"title": "a title", "container": {"name": "x"}}
    return {
        "_id": {"epoch": 1, "outbox_id": number},
        "op": "u",
        "table": "stories_story",
        "key": 5,
        "before": row,
        "after": row,
        "user": "7",
        "at": NOW,
        "applied_at": NOW,
        "partition": 0,
        "offset": number,
        **more,
    }


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_in_the_history_breaks_no_page(
    ends: Ends, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.mongo.history._MOST_MS", 60_000)
    value = ODD[name]
    documents = [
        history_document(number, **{field: value})
        for number, field in enumerate(history_document(1), 100)
        if field != "_id"
    ]
    row = {"title": value, "container": value, "comments": [value], "topic": {"name": value}}
    documents += [history_document(50), history_document(51, before=row, after={**row, "id": 5})]
    history = ends.db[ends.settings.history_collection]
    history.insert_many(documents)
    reading = History(ends.db.client, ends.settings, {"stories_story": "id"})
    renderer = Renderer([ends.capture])

    found = {past.offset: past for past in reading.since(NOW - timedelta(days=1), 100)}

    assert {50, 51} <= found.keys()
    for past in found.values():
        assert renderer.render_past(past) is not None
        for audience in Audience:
            assert orjson.dumps(renderer.past_details(past, audience))
    for offset in range(50, 120):
        reading.at(0, offset)
    versions = [Version(1, number) for number in range(50, 120)]
    assert reading.applied(versions)[Version(1, 50)] == 0
    for event in ends.reader.events(versions).values():
        assert "applied_at" not in event or event["applied_at"] >= event["at"]
    assert delays_of(ends.reader.delays(NOW - timedelta(days=1), 100)).changes > 0


def test_a_reference_in_a_json_column_is_shown_as_it_is(ends: Ends) -> None:
    value = {"$ref": "other", "$id": {"$ref": "more", "$id": 1}, "$db": "x", "note": [1]}
    document = history_document(60, after={"title": "a", "container": value})
    ends.db[ends.settings.history_collection].insert_one(document)

    past = History(ends.db.client, ends.settings, {"stories_story": "id"}).at(0, 60)

    assert past is not None
    assert past.event.after == {"title": "a", "container": value}


@pytest.mark.parametrize("place", [(0, 2**63), (2**63, 0), (0, 10**30), (10**30, 10**30)])
def test_a_place_that_no_document_can_have_is_not_found(ends: Ends, place: tuple[int, int]) -> None:
    assert History(ends.db.client, ends.settings, {"stories_story": "id"}).at(*place) is None
