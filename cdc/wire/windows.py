"""Reads ranges of a topic, bounded in bytes and in time."""

import time
from collections.abc import Mapping

from cdc.errors import Retryable
from cdc.wire.records import Record
from cdc.wire.topic import Tail

SECONDS = 5.0
MOST_BYTES = 16_000_000
_POLL_RECORDS = 500
_POLL_SECONDS = 0.2
Windows = Mapping[int, tuple[int, int]]
"""For each partition, the first offset of the range and the offset after it."""


class Slow(Retryable):
    """Kafka is responding, but did not return all records in time."""


class TooManyBytes(Retryable):
    """The records are too large to be read together."""

    def __init__(self, records: int, size: int) -> None:
        super().__init__(
            f"The records are too large ({records} of them, {size / 1e6:.0f} MB together): read "
            "fewer."
        )
        self.mean_bytes = size / records


def read_windows(tail: Tail, windows: Windows, *, bounded: bool) -> dict[int, list[Record]]:
    """Return the records of each window; raise Slow, Retryable or, if `bounded`, TooManyBytes."""
    tail.start({number: low for number, (low, _) in windows.items()})
    found: dict[int, list[Record]] = {number: [] for number in windows}
    pending = set(windows)
    deadline = time.monotonic() + SECONDS
    count = size = 0
    while pending:
        if time.monotonic() > deadline:
            raise _late(count, size)
        if bounded and size > MOST_BYTES:
            raise TooManyBytes(count, size)
        records = tail.poll(_POLL_RECORDS, _POLL_SECONDS)
        for record in records:
            low, high = windows[record.source.partition]
            if low <= record.offset < high:
                found[record.source.partition].append(record)
            if record.offset >= high - 1:
                pending.discard(record.source.partition)
        count += len(records)
        size += sum(map(size_of, records))
        pending -= set(tail.ended())
    return found


def size_of(record: Record) -> int:
    """Return the size of the record's value in bytes."""
    return len(record.value or b"")


def _late(records: int, size: int) -> Retryable:
    if not records:
        return Retryable("Kafka did not return the changes in time: try again.")
    return Slow(
        f"Kafka is slow: in {SECONDS:g} s it returned only {records} records "
        f"({size / 1e6:.1f} MB), which is not enough for this page. Reload the page."
    )
