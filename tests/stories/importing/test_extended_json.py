"""Converting Extended JSON to plain JSON values."""

from typing import Any

import pytest

from stories.importing.errors import BadRow
from stories.importing.extended_json import plain


@pytest.mark.parametrize(
    ("wrapped", "value"),
    [
        ({"$numberInt": "3"}, 3),
        ({"$numberLong": "-9007199254740993"}, -9007199254740993),
        ({"$numberLong": 5}, 5),
        ({"$numberDouble": "2.5"}, 2.5),
        ({"$numberDecimal": "12"}, 12),
        ({"$oid": "4ba267dc238d3ba3ca000001"}, "4ba267dc238d3ba3ca000001"),
        ({"$date": {"$numberLong": "1268771801500"}}, "2010-03-16T20:36:41.500Z"),
        ({"$date": "2010-03-16T20:36:41Z"}, "2010-03-16T20:36:41.000Z"),
        ([{"a": {"$numberInt": "1"}}, None], [{"a": 1}, None]),
        ({"$numberDecimal": "12.5"}, 12.5),
        ({"$numberDouble": "7.0"}, 7.0),
    ],
)
def test_wrapper_becomes_plain(wrapped: Any, value: Any) -> None:
    assert plain(wrapped) == value


@pytest.mark.parametrize(
    "wrapped",
    [
        {"$numberInt": "three"},
        {"$numberInt": "१"},
        {"$numberInt": None},
        {"$numberInt": True},
        {"$numberLong": "9" * 400},
        {"$numberDouble": []},
        {"$date": "soon"},
        {"$date": {"$numberLong": "9999999999999999"}},
        {"$date": True},
        {"$oid": 3},
        {"$oid": "short"},
        {"$numberInt": "1_0"},
        {"$numberInt": " 1"},
        {"$numberLong": True},
        {"$numberInt": "1", "other": 2},
        {"$numberDecimal": "many"},
        {"$regularExpression": {"pattern": "a", "options": ""}},
    ],
)
def test_invalid_wrapper_is_a_bad_row(wrapped: Any) -> None:
    with pytest.raises(BadRow, match="write a number, a date or an object id"):
        plain(wrapped)
