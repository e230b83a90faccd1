"""How much the consumer applies at a time: a number of records, and of bytes in MongoDB."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from cdc.errors import Fenced, Rejected, Retryable, TooLarge, Unreachable
from cdc.mongo.plan import Conflict, Delivered, Route
from cdc.mongo.writes import written_bytes
from cdc.wire.records import Record

RECORDS = 1_000
BYTES = 10_000_000
"""A transaction keeps its documents in MongoDB's cache, and may use only a small part of it."""
ATTEMPTS = 3
"""Failures in a row before a batch is halved."""
ATTEMPTS_ALONE = 30
"""Failures in a row before a single record counts as too large: the cache may just be busy."""
_SUCCESSES = 10
"""Batches in a row after which the next one may be twice as large."""

Decoded = tuple[Record, Delivered | None]
"""A record and its event; None for a tombstone and for a dead letter."""


class BatchSize:
    """Halves the batches that MongoDB repeatedly fails to apply, and lets them grow again."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = routes
        self._failures = 0
        self._alone = 0
        self._successes = 0
        self.records = RECORDS
        """The most records that a batch may have."""

    def cut(self, decoded: Iterable[Decoded]) -> Iterator[list[Decoded]]:
        """Yield batches of at most `BYTES`, or of one record, in the order of the records."""
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
        """Count the success or failure of a batch; raises Rejected for one record too large."""
        try:
            yield
        except (Fenced, Unreachable, Conflict):
            raise
        except Retryable as error:
            self._fail(records)
            if self._alone >= ATTEMPTS_ALONE and isinstance(error, TooLarge):
                raise Rejected(f"MongoDB has no room for it. {error}") from error
            raise
        self._succeed()

    def _size(self, delivered: Delivered | None) -> int:
        return 0 if delivered is None else written_bytes(delivered, self._routes)

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
