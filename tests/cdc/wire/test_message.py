"""The exact bytes of messages."""

import json
from pathlib import Path
from typing import Any

import pytest

from cdc import __version__
from cdc.errors import Refused
from cdc.wire.event import Operation, Version
from cdc.wire.message import encode, encode_key, encode_row, encode_value, largest_size
from tests.cdc.test_context import GOOD
from tests.cdc.wire.samples import CONNECTOR, ROWS, VERSION, entry, value
from tests.support.golden import matches

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("op", ROWS)
def test_the_message_is_the_golden_one(op: str) -> None:
    encoded = value(op, *ROWS[op])

    assert matches(GOLDEN / f"{Operation(op).name.lower()}.json", json.loads(encoded))
    assert json.loads(encoded)["source"]["version"] == __version__
    assert b": " not in encoded


@pytest.mark.parametrize("op", ROWS)
def test_only_a_delete_is_followed_by_a_tombstone(op: str) -> None:
    change = entry(op, *ROWS[op])

    message, *tombstones = encode(change, VERSION, CONNECTOR)

    assert message.value == encode_value(change, VERSION, CONNECTOR)
    assert (message.topic, message.key) == ("story-events", b'{"id":17}')
    assert message.timestamp_ms == change.ts_ms
    assert [record.value for record in tombstones] == [None] * (op == "d")
    for tombstone in tombstones:
        assert (tombstone.topic, tombstone.key) == (message.topic, message.key)
        assert tombstone.headers == message.headers


def test_the_headers_name_the_version_and_the_trace() -> None:
    version = [("outbox_id", b"42"), ("epoch", b"1764000000000")]
    (plain,) = encode(entry("c", *ROWS["c"]), VERSION, CONNECTOR)
    (traced,) = encode(entry("c", *ROWS["c"], traceparent=GOOD), VERSION, CONNECTOR)

    assert list(plain.headers) == version
    assert list(traced.headers) == [*version, ("traceparent", GOOD.encode())]


def test_no_version_makes_a_message_larger_than_its_largest_size() -> None:
    change, highest = entry("u", *ROWS["u"]), Version(2**63 - 1, 2**63 - 1)
    largest = largest_size(change, CONNECTOR)

    assert len(encode_value(change, VERSION, CONNECTOR)) < largest
    assert len(encode_value(change, highest, CONNECTOR)) == largest


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        (17, b'{"id":17}'),
        (-(2**63), b'{"id":-9223372036854775808}'),
        ('a "é\n', b'{"id":"a \\"\xc3\xa9\\n"}'),
    ],
)
def test_the_key_has_one_form(key: int | str, encoded: bytes) -> None:
    assert encode_key("id", key).encode() == encoded


@pytest.mark.parametrize("row", [{"n": 2**64}, {"n": "\ud800"}, {"n": object()}])
def test_a_row_that_json_cannot_hold_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        encode_row(row)
