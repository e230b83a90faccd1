"""The size of the consumer's batches, in records and in bytes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from cdc.errors import Fenced, Rejected, Retryable, TooLarge, Unreachable
from cdc.mongo.apply.writes import written_bytes
from cdc.mongo.plan import Conflict, Delivered, Route
from cdc.wire.records import Record

RECORDS = 1_000
BYTES = 10_000_000
"""The maximum number of bytes in a batch, which must fit into a small part of MongoDB's cache."""
ATTEMPTS = 3
"""The number of consecutive failures after which batches are halved."""
ATTEMPTS_ALONE = 30
"""The number of consecutive failures after which a single record is considered too large.

Fewer failures may only mean that MongoDB's cache is temporarily full.
"""
_SUCCESSES = 10
"""The number of consecutive successes after which batches are doubled."""

Decoded = tuple[Record, Delivered | None]
"""A record and its event. The event is None if there is nothing to apply, as for a dead letter."""


class BatchSize:
    """Halves the batches that MongoDB repeatedly fails to apply; doubles them after successes."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = routes
        self._failures = 0
        self._alone = 0
        self._successes = 0
        self.records = RECORDS
        """The maximum number of records in a batch."""

    def cut(self, decoded: Iterable[Decoded]) -> Iterator[list[Decoded]]:
        """Split records into batches of at most `BYTES`; a larger record gets its own batch."""
        batch: list[Decoded] = []
        total = 0
        for pair in decoded:
            size = self._size(pair[1])
            if batch and total + size > BYTES:
                yield batch
                batch, total = [], 0
            batch.append(pair)
            total += size
        if batch:
            yield batch

    @contextmanager
    def watching(self, records: int) -> Iterator[None]:
        """Count the success or failure of the enclosed batch, which has `records` records.

        Raise Rejected if a batch of one record has failed too often because it is too large.
        """
        try:
            yield
        except (Fenced, Unreachable, Conflict):
            raise
        except Retryable as error:
            self._fail(records)
            if self._alone >= ATTEMPTS_ALONE and isinstance(error, TooLarge):
                what = "The record is too large for MongoDB."
                raise Rejected(f"{what} {error}", what) from error
            raise
        self._succeed()

    def _size(self, delivered: Delivered | None) -> int:
        if delivered is None or delivered.tombstone:  # A tombstone writes next to nothing.
            return 0
        return written_bytes(delivered, self._routes)

    def _fail(self, records: int) -> None:
        self._successes = 0
        self._failures += 1
        self._alone = self._alone + 1 if records == 1 else 0
        if self._failures >= ATTEMPTS:
            self._failures = 0
            self.records = max(records // 2, 1)

    def _succeed(self) -> None:
        self._failures = self._alone = 0
        self._successes += 1
        if self._successes >= _SUCCESSES:
            self._successes = 0
            self.records = min(self.records * 2, RECORDS)
