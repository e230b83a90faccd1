"""The documents of an event in BSON are those of `plan` and `history_document`."""

from dataclasses import replace
from datetime import UTC, datetime

import bson
import pytest
from bson.codec_options import CodecOptions

from cdc.mongo.apply import encoded
from cdc.mongo.history_document import history_document
from tests.support.builders import change, delivered

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
AWARE: CodecOptions[dict[str, object]] = CodecOptions(tz_aware=True)


@pytest.mark.parametrize("op", ["c", "u", "d"])
def test_a_history_document_in_bson_is_the_history_document(op: str) -> None:
    item = delivered(change(op, 17, 5), offset=12)

    found = encoded.applied(item, encoded.time_of(NOW))

    assert bson.decode(found.raw, AWARE) == history_document(item, NOW)
    assert found.raw == bson.encode(history_document(item, NOW))


def test_a_document_is_encoded_once() -> None:
    item = delivered(change("u", 17, 5))

    assert bson.decode(encoded.document(item), AWARE) == item.document
    assert encoded.document(item) is encoded.document(item)
    assert encoded.history(item) is encoded.history(item)


def test_another_document_is_encoded_again() -> None:
    item = delivered(change("u", 17, 5))
    encoded.document(item)

    other = replace(item, document={"_id": 18})

    assert bson.decode(encoded.document(other)) == {"_id": 18}
