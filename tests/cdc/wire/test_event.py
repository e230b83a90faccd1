"""What decoding returns, and what it rejects."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import Rejected
from cdc.wire.event import (
    ChangeEvent,
    Operation,
    Version,
    decode,
    decode_key,
    tombstone_version,
)
from cdc.wire.message import encode_key
from tests.cdc.wire.samples import ROWS, VERSION, value


def broken(**changes: Any) -> bytes:
    """Return an update's value with other members; `source` is merged."""
    envelope = json.loads(value("u", *ROWS["u"]))
    source = {**envelope["source"], **changes.pop("source", {})}
    return json.dumps({**envelope, "source": source, **changes}).encode()


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
def test_a_malformed_message_is_rejected(what: str) -> None:
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
def test_every_row_survives_the_round_trip(data: Any, key: int) -> None:
    row = {"id": key, "data": data}

    event = decode(encode_key("id", key).encode(), value("c", None, row))

    assert (event.after, event.key) == (row, key)


HIGHEST = 2**63 - 1


@pytest.mark.parametrize("outbox_id", [0, 1, 10**18, HIGHEST])
@pytest.mark.parametrize("epoch", [0, HIGHEST])
def test_the_smallest_and_the_largest_numbers_are_read(epoch: int, outbox_id: int) -> None:
    sequence = {"sequence": f'["{epoch}","{outbox_id}"]'}

    event = decode(b'{"id":17}', broken(source=sequence, ts_ms=outbox_id))

    assert (event.version, event.ts_ms) == (Version(epoch, outbox_id), outbox_id)
    headers = (("outbox_id", b"%d" % outbox_id), ("epoch", b"%d" % epoch))
    assert tombstone_version(headers) == event.version


@pytest.mark.parametrize(
    "headers",
    [
        (("epoch", b"1"),),
        (("outbox_id", b"1"),),
        (("epoch", b"1"), ("outbox_id", None)),
        (("epoch", b"1"), ("outbox_id", b"")),
        (("epoch", b"1"), ("outbox_id", b"%d" % (HIGHEST + 1))),
        (("epoch", b"01" * 10), ("outbox_id", b"1")),
        (("epoch", "\u0661".encode()), ("outbox_id", b"1")),
    ],
)
def test_a_tombstone_with_half_a_version_is_rejected(
    headers: tuple[tuple[str, bytes | None], ...],
) -> None:
    with pytest.raises(Rejected, match="The tombstone's version"):
        tombstone_version(headers)


def test_a_tombstone_of_another_program_has_no_version() -> None:
    assert tombstone_version(()) is None
    assert tombstone_version((("Epoch", b"1"), ("outbox-id", b"1"))) is None


@pytest.mark.parametrize("key", [b'{"id":true}', b'{"id":17.0}', b'{"id":"17"}'])
def test_a_key_of_another_type_is_not_the_rows(key: bytes) -> None:
    with pytest.raises(Rejected):
        decode(key, value("u", *ROWS["u"]))


@pytest.mark.parametrize("held", [True, 1.0, "1", None])
def test_a_row_whose_key_is_only_equal_to_the_messages_key_is_rejected(held: object) -> None:
    with pytest.raises(Rejected, match="its row names another"):
        decode(b'{"id":1}', broken(after={"id": held}))


@pytest.mark.parametrize("key", [b'{"id":true}', b'{"id":1.0}', b'{"id":[1]}'])
def test_a_key_that_is_no_whole_number_and_no_text_is_rejected(key: bytes) -> None:
    with pytest.raises(Rejected, match="not one column's value"):
        decode_key(key)
