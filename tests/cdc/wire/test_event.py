"""What a message looks like, byte by byte, and what is no message."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc import __version__
from cdc.errors import Refused, Rejected
from cdc.wire.event import (
    ChangeEvent,
    Operation,
    Version,
    decode,
    encode_key,
    encode_row,
    encode_value,
)
from tests.support.golden import matches

GOLDEN = Path(__file__).parent / "golden"
VERSION = Version(1_764_000_000_000, 42)
ROW = {"id": 17, "title": "Ünïcode ☃ 🎉 \u2028", "user": {"name": "kim", "n": 2**53 + 1}, "x": None}
ROWS: dict[str, tuple[Any, Any]] = {
    "c": (None, ROW),
    "u": (ROW, {**ROW, "title": "new"}),
    "d": (ROW, None),
    "r": (None, ROW),
}


def value(op: str, before: Any, after: Any, **changes: Any) -> bytes:
    return encode_value(
        **{
            "op": op,
            "before": encode_row(before),
            "after": encode_row(after),
            "version": VERSION,
            "ts_ms": 1_764_000_000_123,
            "db": "storyfeed",
            "table": "stories_story",
            "user": "7",
            **changes,
        }
    )


def broken(**changes: Any) -> bytes:
    """Return an update's value with other members; `source` is merged."""
    envelope = json.loads(value("u", *ROWS["u"]))
    source = {**envelope["source"], **changes.pop("source", {})}
    return json.dumps({**envelope, "source": source, **changes}).encode()


@pytest.mark.parametrize("op", ROWS)
def test_the_message_is_the_golden_one(op: str) -> None:
    encoded = value(op, *ROWS[op])

    assert matches(GOLDEN / f"{Operation(op).name.lower()}.json", json.loads(encoded))
    assert json.loads(encoded)["source"]["version"] == __version__
    assert b": " not in encoded


@pytest.mark.parametrize("op", ROWS)
def test_decode_is_the_inverse(op: str) -> None:
    before, after = ROWS[op]

    event = decode(b'{"id":17}', value(op, before, after))

    assert event == ChangeEvent(
        op=Operation(op),
        table="stories_story",
        key_column="id",
        key=17,
        before=before,
        after=after,
        version=VERSION,
        ts_ms=1_764_000_000_123,
        db="storyfeed",
        user="7",
    )
    assert event.deletes == (op == "d")


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


def test_versions_order_by_epoch_first() -> None:
    assert Version(1, 9) < Version(1, 10) < Version(2, 1)


BAD_VALUES = {
    "not JSON": b"{",
    "empty": b"",
    "a list": b"[]",
    "no source": b'{"op":"c"}',
    "a lone surrogate": b'{"source":{},"op":"\\ud800"}',
    "no such operation": broken(op="x"),
    "an operation of another type": broken(op=["c"]),
    "no after": broken(after=None),
    "an after that is text": broken(after="row"),
    "a sequence that is no text": broken(source={"sequence": 3}),
    "a sequence of one": broken(source={"sequence": '["1"]'}),
    "a sequence of three": broken(source={"sequence": '["1","2","3"]'}),
    "a sequence of numbers": broken(source={"sequence": "[1,2]"}),
    "a sequence with a sign": broken(source={"sequence": '["-1","2"]'}),
    "a sequence of other digits": broken(source={"sequence": '["1","٢"]'}),
    "a sequence beyond 64 bits": broken(source={"sequence": f'["1","{2**63}"]'}),
    "a sequence without end": broken(source={"sequence": f'["1","{"9" * 5000}"]'}),
    "no table": broken(source={"table": None}),
    "a time that is text": broken(ts_ms="now"),
    "a time below zero": broken(ts_ms=-1),
    "a time that is true": broken(ts_ms=True),
    "another key": broken(after={"id": 18}),
    "a key of another type": broken(after={"id": "17"}),
    "no key in the row": broken(after={"title": "x"}),
}


@pytest.mark.parametrize("what", BAD_VALUES)
def test_what_is_no_message_is_rejected(what: str) -> None:
    with pytest.raises(Rejected):
        decode(b'{"id":17}', BAD_VALUES[what])


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"17",
        b"{}",
        b'{"id":17,"x":1}',
        b'{"id":null}',
        b'{"id":true}',
        b'{"id":1.0}',
        b"\xff",
    ],
)
def test_a_key_must_name_one_column(key: bytes | None) -> None:
    with pytest.raises(Rejected):
        decode(key, value("u", *ROWS["u"]))


@pytest.mark.parametrize("row", [{"n": 2**64}, {"n": "\ud800"}, {"n": object()}])
def test_a_row_that_json_cannot_hold_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        encode_row(row)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_noise_is_rejected_and_never_crashes(noise: bytes, key: bytes) -> None:
    with pytest.raises(Rejected):
        decode(key, noise)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


@given(JSON, st.integers(-(2**63), 2**63 - 1))
def test_every_row_comes_back(data: Any, key: int) -> None:
    row = {"id": key, "data": data}

    event = decode(encode_key("id", key).encode(), value("c", None, row))

    assert (event.after, event.key) == (row, key)
