"""Invalid settings are refused with an error message of one sentence."""

from typing import Any

import pytest

from cdc.errors import Misconfigured
from tests.support.feed_settings import without_servers


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"collections": ()}, "REPLICA_COLLECTIONS is empty: name at least one collection."),
        (
            {"collections": ("a", "past"), "history_collection": "past"},
            "REPLICA_COLLECTIONS has 'past', the collection of the history: choose another name.",
        ),
        (
            {"collections": ("at",), "positions_collection": "at"},
            "REPLICA_COLLECTIONS has 'at', the collection of the positions: choose another name.",
        ),
        (
            {"collections": ("at_columns",), "positions_collection": "at"},
            (
                "REPLICA_COLLECTIONS has 'at_columns', the collection of the columns: choose "
                "another name."
            ),
        ),
        (
            {"collections": ("at_instances",), "positions_collection": "at"},
            (
                "REPLICA_COLLECTIONS has 'at_instances', the collection of the instance names: "
                "choose another name."
            ),
        ),
        (
            {"collections": ("bird",), "canary_collection": "bird"},
            "REPLICA_COLLECTIONS has 'bird', the collection of the canary: choose another name.",
        ),
        (
            {"history_collection": "$past"},
            "history_collection is '$past': use letters, digits, '_', '.' and '-'.",
        ),
    ],
)
def test_collections(names: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        without_servers(**names)
    assert str(raised.value) == sentence
