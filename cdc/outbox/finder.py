"""Finds the outbox rows to publish, and keeps the changes of each captured row in order.

A gap is an id without a row, below the highest id that was found. The transaction to which the id
was assigned is still open or was rolled back.
"""

import random
from collections.abc import Sequence
from typing import Protocol

from cdc.models import OutboxRecord
from cdc.outbox.progress import Progress, Range, covering, ranges_of
from cdc.outbox.queue import MOST_IDS
from cdc.outbox.sweeper import Sweeper
from cdc.runtime.clock import Clock

BATCH = 1_000
SETTLE_SECONDS = 0.25
_MOST_RANGES = 64
"""The maximum number of ranges in one query for gaps. If there are more, neighbours are merged."""
_MOST_SETTLED = 1_000
"""The maximum number of gaps that one call of `find` examines."""
_MOST_STATEMENTS = 32
"""The maximum number of statements in which one call of `find` examines gaps."""
_REREAD = 16
"""The number of ids below the new ids that are read again, to detect reused ids."""


class Ids(Protocol):
    """The ids in the outbox table; each method raises Retryable on a database error."""

    def ids(self, *, above: int, limit: int) -> list[int]:
        """Return up to `limit` row ids greater than `above`, lowest first."""

    def ids_in(self, ranges: Sequence[Range], limit: int | None = None) -> list[int]:
        """Return the ids of up to `limit` rows in `ranges`, lowest first."""

    def settled(self, ranges: Sequence[Range]) -> bool:
        """Return whether all ids in `ranges` have no row and will never get one."""


class Finder:
    """Finds the ids of unpublished rows, even while other transactions are open."""

    def __init__(self, outbox: Ids, sweeper: Sweeper, clock: Clock) -> None:
        self._outbox = outbox
        self._sweeper = sweeper
        self._clock = clock
        self.more = False
        """Whether there may be more new rows than the last `find` returned."""
        self.passed = frozenset[int]()
        """The ids that the last `find` returned although they were already finished (see
        `Progress`). The row of such an id was inserted late, or was published and then restored.
        Newer changes of the same captured row may already have been published."""
        self.start_over(0)

    @property
    def mark(self) -> int:
        """Every id up to this one is published or will never be used."""
        return self._progress.mark

    def start_over(self, mark: int) -> None:
        """Forget which rows are published, and read the rows with ids above `mark` again."""
        self._progress = Progress(mark)
        self._settle_at = float("-inf")
        self._sweeper.forget()

    def find(self) -> list[int]:
        """Return the ids of rows to publish, lowest first.

        The caller must publish these rows before the next call. The ids are those of new rows, of
        rows in former gaps, of overlooked rows, and of rows that reuse the ids of deleted rows.

        A change of a captured row is inserted only after the previous change of that row was
        committed. Gaps are read after the new rows, so all earlier changes of a found row are found
        too.
        """
        self._settle()
        progress = self._progress
        self._sweeper.begin_read()
        read = self._outbox.ids(above=progress.highest - _REREAD, limit=BATCH + _REREAD)
        new = [number for number in read if number > progress.highest][:BATCH]
        self.more = len(new) == BATCH
        passed = {number for number in read if progress.passed(number)}
        back = passed - self._sweeper.undeleted(passed)
        gaps = covering(progress.gaps(), _MOST_RANGES)
        late = self._outbox.ids_in(gaps) if gaps else []
        found = {number for number in (*new, *late) if number not in progress}
        found |= {number for number in self._sweeper.overlooked() if number not in progress}
        self.passed = frozenset(number for number in found | back if progress.passed(number))
        progress.found(new, self._clock.monotonic())
        self._sweeper.watch(progress.mark)
        return sorted(found | back)

    def published(self, rows: Sequence[OutboxRecord]) -> None:
        """Mark these rows as published: `find` does not return them again."""
        self._progress.finish(ranges_of(row.id for row in rows))

    def _settle(self) -> None:
        """Mark old gaps as finished if they can never be filled, so that the mark can rise.

        The outbox is read from the mark on. Reading it from the first id would become slower and
        slower, because InnoDB keeps deleted rows until they are purged.
        """
        now = self._clock.monotonic()
        if now < self._settle_at:
            return
        self._settle_at = now + SETTLE_SECONDS
        gaps = self._progress.old_gaps(now)
        if len(gaps) > _MOST_SETTLED:
            gaps = sorted(random.sample(gaps, _MOST_SETTLED))
        self._progress.finish(self._settled(gaps))

    def _settled(self, gaps: list[Range]) -> list[Range]:
        """Return the `gaps` that can never be filled.

        One statement tests a list of gaps. If a gap in the list may be filled, the list is halved.
        """
        settled: list[Range] = []
        untested = [gaps[at : at + MOST_IDS] for at in range(0, len(gaps), MOST_IDS)]
        for _ in range(_MOST_STATEMENTS):
            if not untested:
                break
            some = untested.pop()
            if self._outbox.settled(some):
                settled += some
            elif len(some) > 1:
                middle = len(some) // 2
                untested += [some[:middle], some[middle:]]
        return settled
