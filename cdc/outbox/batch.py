"""Reads the rows of a batch, and limits the size of the batch in bytes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from cdc.models import OutboxRecord

BATCH_BYTES = 8_000_000
"""The size at which a batch ends, in bytes. In Kafka's client, the records of the batch need as
much memory again."""
PORTION_BYTES = 4_000_000
"""The maximum size of one read, in bytes. The lease is renewed between reads. A larger row is read
alone."""
_ASKED_BYTES = 64_000_000
"""The maximum size of the rows that one query measures, because the database reads them in full."""
_MOST_ROWS = 500


class Rows(Protocol):
    """The outbox table; each method raises Retryable on a database error."""

    def sizes(self, ids: Iterable[int]) -> list[tuple[int, int]]:
        """Return the id and the size in bytes of each existing row of `ids`, lowest id first."""

    def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
        """Return the existing rows of `ids`, lowest id first."""


class BatchReader:
    """Reads rows in portions. Most rows have at most `largest` bytes; larger rows are read too."""

    def __init__(self, rows: Rows, largest: int) -> None:
        self._rows = rows
        self._largest = largest

    def read(
        self, ids: Sequence[int], may_continue: Callable[[], bool]
    ) -> tuple[list[OutboxRecord], int]:
        """Read the rows of `ids` from the first id on, until the batch is full.

        Return the existing rows, and the number of ids read.

        Call `may_continue` after each portion, and stop when it returns False.
        """
        batch: list[OutboxRecord] = []
        taken = size = 0
        while taken < len(ids) and size < BATCH_BYTES:
            portion = self._portion(ids[taken:])
            rows = self._rows.rows(portion)
            batch += rows
            taken += len(portion)
            size += sum(len(row.before or b"") + len(row.after or b"") for row in rows)
            if not may_continue():
                break
        return batch, taken

    def _portion(self, ids: Sequence[int]) -> Sequence[int]:
        """Return as many of the first `ids` as one statement may read."""
        ids = ids[: min(max(_ASKED_BYTES // self._largest, 1), _MOST_ROWS)]
        if len(ids) == 1:
            return ids
        total = 0
        for number, size in self._rows.sizes(ids):
            total += size
            if total > PORTION_BYTES:
                return ids[: max(ids.index(number), 1)]
        return ids
