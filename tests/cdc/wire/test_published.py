"""The version, key and time of a published change, read from its record."""

import pytest

from cdc.wire.event import Version
from cdc.wire.published import Published, published

HEADERS = {"epoch": b"7", "outbox_id": b"12"}


def test_a_change_has_its_version_key_and_time() -> None:
    assert published(b'{"id":1}', b'{"ts_ms":5}', HEADERS) == Published(
        version=Version(7, 12), key='{"id":1}', ts_ms=5
    )


def test_a_tombstone_has_its_version() -> None:
    found = published(b'{"id":1}', None, HEADERS)

    assert found == Published(version=Version(7, 12), key='{"id":1}', ts_ms=None)


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"{}", b'{"ts_ms":"5"}', b'{"ts_ms":1.5}'])
def test_a_value_of_another_form_has_no_time(value: bytes) -> None:
    found = published(None, value, HEADERS)

    assert found == Published(version=Version(7, 12))


@pytest.mark.parametrize("header", [b"", b"x", b"-1", b"9" * 19, b"1.0", b"\xff", "٣", None])
@pytest.mark.parametrize("name", ["epoch", "outbox_id"])
def test_a_record_without_a_version_is_not_ours(name: str, header: bytes | str | None) -> None:
    assert published(b"k", b"{}", {**HEADERS, name: header}) is None
    assert published(b"k", b"{}", {}) is None


def test_headers_may_be_text_and_numbers_have_up_to_18_digits() -> None:
    found = published(b"k", b"{}", {"epoch": "7", "outbox_id": b"9" * 18})

    assert found == Published(version=Version(7, int("9" * 18)), key="k")


def test_a_key_that_is_no_text_is_shown_as_far_as_it_is() -> None:
    assert published(b"k\xff", None, HEADERS) == Published(version=Version(7, 12), key="k\ufffd")


@pytest.mark.parametrize("number", [0, 10**17, 10**18 - 1])
def test_every_number_that_a_later_epoch_can_exceed_counts(number: int) -> None:
    """A record with large numbers, too, can show that ids are reused."""
    headers = {"epoch": b"%d" % number, "outbox_id": b"%d" % number}

    assert published(b"k", None, headers) == Published(version=Version(number, number), key="k")
    assert published(b"k", None, {**headers, "epoch": b"%d" % 10**18}) is None
