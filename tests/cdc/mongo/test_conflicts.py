"""The sentence about a unique index that refuses a document."""

import pytest
from pymongo.errors import BulkWriteError

from cdc.mongo.conflicts import conflict_of

_NAMED = "E11000 duplicate key error collection: storyfeed.stories index: link_1 dup key: { x: 1 }"


@pytest.mark.parametrize(
    ("errmsg", "begin"),
    [
        (_NAMED, "The unique index link_1 of storyfeed.stories refuses the document: another"),
        ("E11000", "A unique index, which MongoDB does not name, refuses the document: another"),
    ],
)
def test_the_index_is_named_if_mongodb_names_it(errmsg: str, begin: str) -> None:
    refused = {
        "code": 11000,
        "keyPattern": {"link": 1},
        "errmsg": errmsg,
        "op": {"_id": 7, "_epoch": 1, "_version": 2},
    }
    found = conflict_of(BulkWriteError({"writeErrors": [refused]}))
    assert found is not None
    assert str(found).startswith(begin)
