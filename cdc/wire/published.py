"""A published change: its version, and data that shows whether two changes are the same."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from cdc.wire.event import Version

LAST_RECORDS = 32
"""The number of records at the end of a partition that are read to find the last changes.

One record is not enough: the last record may have a lower version than an earlier record, because
transactions may not commit in the order of their outbox ids.
"""
_MOST_DIGITS = 18
"""The maximum number of digits in a header, so that the next epoch still fits into 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A change that has been published."""

    version: Version
    key: str = ""
    """The Kafka key as text."""
    ts_ms: int | None = None
    """The time of capture in milliseconds since 1970; None if unknown, as in a tombstone."""
    topic: str = ""
    """The topic of the record; empty if the change was not read from Kafka."""


def published(
    key: bytes | None,
    value: bytes | None,
    headers: Mapping[str, bytes | str | None],
    topic: str = "",
) -> Published | None:
    """Return the change in a record; None if the headers show that the relay did not write it."""
    epoch, outbox_id = _number(headers.get("epoch")), _number(headers.get("outbox_id"))
    if epoch is None or outbox_id is None:
        return None
    return Published(
        version=Version(epoch, outbox_id),
        key=(key or b"").decode(errors="replace"),
        ts_ms=None if value is None else _ts_ms(value),
        topic=topic,
    )


def _ts_ms(value: bytes) -> int | None:
    try:
        envelope = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    found = envelope.get("ts_ms") if isinstance(envelope, dict) else None
    return found if type(found) is int else None


def _number(header: bytes | str | None) -> int | None:
    text = header.decode(errors="replace") if isinstance(header, bytes) else header or ""
    short = len(text) <= _MOST_DIGITS
    return int(text) if short and text.isascii() and text.isdigit() else None
