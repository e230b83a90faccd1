"""A document is compared with its row, including the types of numbers."""

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.int64 import Int64

from cdc.mongo.content import Content, Held, split

WANTED = {
    "_id": 1,
    "n": 4,
    "flag": True,
    "at": datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC),
    "json": {"a": [1, {"b": None}], "c": 1.0},
}
VERSION = {"_epoch": 1_764_000_000_000, "_version": 5}


def held(document: dict[str, Any]) -> Held:
    return Held(bson.encode(document))


@pytest.mark.parametrize(
    "document",
    [
        {**WANTED, **VERSION},
        {**VERSION, **dict(reversed(WANTED.items()))},
        {**WANTED, **VERSION, "n": Int64(4)},
        {**WANTED, **VERSION, "json": {"c": 1.0, "a": [1, {"b": None}]}},
    ],
)
def test_equal(document: dict[str, Any]) -> None:
    assert held(document).holds(Content(WANTED))


@pytest.mark.parametrize(
    "change",
    [
        {"n": 5},
        {"n": 4.0},
        {"flag": 1},
        {"at": datetime(2026, 1, 2, 3, 4, 5, 679000, tzinfo=UTC)},
        {"json": {"a": [1, {"b": None}], "c": 1}},
        {"json": {"a": [{"b": None}, 1], "c": 1.0}},
        {"json": {"a": [1, {"b": None}]}},
        {"more": None},
        {"_version": "5"},
    ],
)
def test_different(change: dict[str, Any]) -> None:
    assert not held({**WANTED, **VERSION, **change}).holds(Content(WANTED))


def test_a_missing_column_or_version_is_a_difference() -> None:
    for name in (*WANTED, *VERSION):
        if name != "_id":
            document = {**WANTED, **VERSION}
            del document[name]
            assert not held(document).holds(Content(WANTED)), name


def test_invalid_utf_8_is_a_difference() -> None:
    raw = bson.encode({**WANTED, "text": "?", **VERSION}).replace(b"?", b"\xff")
    assert not Held(raw).holds(Content({**WANTED, "text": "?"}))


def test_a_batch_is_split_into_its_documents() -> None:
    documents = [bson.encode({"_id": number, "text": "x" * number}) for number in range(3)]
    assert list(split(b"".join(documents))) == documents
    assert list(split(b"")) == []
