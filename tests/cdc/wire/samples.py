"""A sample change of each operation, and its message."""

from typing import Any

from cdc.outbox.table import Entry
from cdc.wire.event import Version
from cdc.wire.message import encode_row, encode_value

CONNECTOR = "storyfeed"
VERSION = Version(1_764_000_000_000, 42)
ROW = {"id": 17, "title": "Ünïcode ☃ 🎉 \u2028", "user": {"name": "kim", "n": 2**53 + 1}, "x": None}
ROWS: dict[str, tuple[Any, Any]] = {
    "c": (None, ROW),
    "u": (ROW, {**ROW, "title": "new"}),
    "d": (ROW, None),
    "r": (None, ROW),
}


def entry(op: str, before: Any, after: Any, *, traceparent: str = "") -> Entry:
    return Entry(
        topic="story-events",
        key='{"id":17}',
        op=op,
        before=encode_row(before),
        after=encode_row(after),
        ts_ms=1_764_000_000_123,
        db="storyfeed",
        table="stories_story",
        user="7",
        traceparent=traceparent,
    )


def value(op: str, before: Any, after: Any) -> bytes:
    return encode_value(entry(op, before, after), VERSION, CONNECTOR)
