"""The events that decoding returns, and the messages that it rejects."""

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
    deletion,
    tombstone_version,
)
from cdc.wire.message import encode_key
from tests.cdc.wire.samples import ROWS, VERSION, value


def broken(**changes: Any) -> bytes:
    """Return the value of an update with changed members; those of `source` are merged into it."""
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


NUMBER = f"is not a number from 0 to {2**63 - 1}."
SEQUENCE = 'source.sequence is not ["epoch","outbox id"].'
REASONS = {
    "a list": "The value is not a JSON object.",
    "no source": "source is not a JSON object.",
    "no such operation": "op is 'x', not one of c, u, d, r.",
    "an operation of another type": "op is ['c'], not one of c, u, d, r.",
    "no after": "The field after is null in an event with op u.",
    "an after that is text": "after is not a JSON object.",
    "a sequence that is no text": "source.sequence is not text.",
    "a sequence of three": SEQUENCE,
    "a sequence that is no list": SEQUENCE,
    "a sequence that is a number": SEQUENCE,
    "a sequence that is an object": SEQUENCE,
    "a sequence of other digits": SEQUENCE,
    "a sequence without end": SEQUENCE,
    "a sequence beyond 64 bits": f"source.sequence {NUMBER}",
    "no table": "source.table is not text.",
    "a database that is no text": "source.db is not text.",
    "a user that is no text": "source.user is not text.",
    "a before that is text": "before is not a JSON object.",
    "a time that is text": f"ts_ms {NUMBER}",
    "a time below zero": f"ts_ms {NUMBER}",
    "a time beyond 64 bits": f"ts_ms {NUMBER}",
    "another key": "The key is 17, but the row in after has a different key.",
}
BAD_VALUES |= {
    "a sequence that is no list": broken(source={"sequence": "{}"}),
    "a sequence that is a number": broken(source={"sequence": "5"}),
    "a sequence that is an object": broken(source={"sequence": '{"1":1,"2":2}'}),
    "a database that is no text": broken(source={"db": 1}),
    "a user that is no text": broken(source={"user": 7}),
    "a before that is text": broken(before="row"),
    "a time beyond 64 bits": broken(ts_ms=2**63),
}


@pytest.mark.parametrize("what", REASONS)
def test_the_reason_names_the_part_that_is_malformed(what: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode(b'{"id":17}', BAD_VALUES[what])

    assert str(caught.value) == REASONS[what]


@pytest.mark.parametrize(("value", "detail"), [(b"{", ""), (b"", ".*zero-length")])
def test_a_value_that_is_no_json_is_named(value: bytes, detail: str) -> None:
    with pytest.raises(Rejected, match=f"^The value is not JSON: {detail}"):
        decode(b'{"id":17}', value)


def test_a_sequence_that_is_no_json_is_named() -> None:
    with pytest.raises(Rejected, match=r"^source\.sequence is not JSON: "):
        decode(b'{"id":17}', broken(source={"sequence": "["}))


def test_a_delete_needs_the_row_before() -> None:
    with pytest.raises(Rejected) as caught:
        decode(b'{"id":17}', broken(op="d", before=None))

    assert str(caught.value) == "The field before is null in an event with op d."


def test_a_long_key_is_shortened_in_the_reason() -> None:
    with pytest.raises(Rejected) as caught:
        decode(encode_key("id", "k" * 100).encode(), broken())

    assert str(caught.value) == f'The key is "{"k" * 59}, but the row in after has a different key.'


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "The key is not JSON: "),
        (b"17", "The key is not a JSON object."),
        (b"{}", 'The key is not one column with a number or text; {"id":17} is a valid key.'),
    ],
)
def test_the_reason_names_the_key(key: bytes | None, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_key(key)

    assert str(caught.value).startswith(reason)


def test_the_largest_numbers_and_zero_are_accepted() -> None:
    largest = 2**63 - 1
    sequence = {"sequence": f'["0","{largest}"]'}

    event = decode(b'{"id":17}', broken(ts_ms=largest, source=sequence))

    assert (event.version, event.ts_ms) == (Version(0, largest), largest)
    assert decode(b'{"id":17}', broken(ts_ms=0)).ts_ms == 0


def test_an_event_without_a_user_has_an_empty_one() -> None:
    envelope = json.loads(broken())
    del envelope["source"]["user"]

    assert decode(b'{"id":17}', json.dumps(envelope).encode()).user == ""


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([("outbox_id", b"12"), ("epoch", b"7"), ("traceparent", b"x")], Version(7, 12)),
        ([("outbox_id", b"0"), ("epoch", b"0")], Version(0, 0)),
        ([("traceparent", b"x")], None),
        ([], None),
    ],
)
def test_a_tombstone_names_its_version(
    headers: list[tuple[str, bytes | None]], version: Version | None
) -> None:
    assert tombstone_version(tuple(headers)) == version


@pytest.mark.parametrize(
    "headers",
    [
        [("epoch", b"7")],
        [("outbox_id", b"12")],
        [("epoch", b"7"), ("outbox_id", b"")],
        [("epoch", b"7"), ("outbox_id", None)],
        [("epoch", b"\xff"), ("outbox_id", b"12")],
        [("epoch", b"-7"), ("outbox_id", b"12")],
    ],
)
def test_a_tombstone_with_a_malformed_version_is_rejected(headers: list[Any]) -> None:
    with pytest.raises(Rejected) as caught:
        tombstone_version(tuple(headers))

    assert str(caught.value) == "The tombstone's version is not epoch and outbox_id."


def test_a_tombstone_means_the_deletion_of_its_row() -> None:
    assert deletion("stories_story", "id", 17, Version(7, 12), 5) == ChangeEvent(
        op=Operation.DELETE,
        table="stories_story",
        key_column="id",
        key=17,
        before={"id": 17},
        after=None,
        version=Version(7, 12),
        ts_ms=5,
    )


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
    with pytest.raises(Rejected, match="The key is 1, but the row in after has") as caught:
        decode(b'{"id":1}', broken(after={"id": held}))
    assert (
        caught.value.without_values == "The key is invalid: the row in after has a different key."
    )


@pytest.mark.parametrize("key", [b'{"id":true}', b'{"id":1.0}', b'{"id":[1]}'])
def test_a_key_that_is_no_whole_number_and_no_text_is_rejected(key: bytes) -> None:
    with pytest.raises(Rejected, match="is not one column"):
        decode_key(key)
