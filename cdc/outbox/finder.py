"""Finds the rows to be published, in an order that keeps the changes of each row in sequence."""

import random
from collections.abc import Sequence
from typing import Protocol

from cdc.models import OutboxRecord
from cdc.outbox.progress import Progress, Range, covering, ranges_of
from cdc.outbox.queue import MOST_IDS
from cdc.outbox.sweeper import Sweeper
from cdc.runtime.loop import Clock

BATCH = 1_000
SETTLE_SECONDS = 0.25
_MOST_RANGES = 64
"""The most ranges in one query for gaps; more are merged, with the rows between them."""
_MOST_SETTLED = 1_000
"""Gaps examined at a time, and in how many statements."""
_MOST_STATEMENTS = 32
_REREAD = 16
"""How many ids below the new ones are read again: a row that reappears has a reused id."""


class Ids(Protocol):
    """The ids in the outbox table; each method raises Retryable on an error."""

    def ids(self, *, above: int, limit: int) -> list[int]:
        """Return up to `limit` row ids greater than `above`, lowest first."""

    def ids_in(self, ranges: Sequence[Range], limit: int | None = None) -> list[int]:
        """Return the ids of the rows in `ranges`, lowest first."""

    def settled(self, ranges: Sequence[Range]) -> bool:
        """Return whether no row in `ranges` exists or can still be committed."""


class Finder:
    """Finds the ids that are not published yet, even while other transactions are open.

    A gap is an id below the highest one found that has no row: not committed, or rolled back.
    """

    def __init__(self, outbox: Ids, sweeper: Sweeper, clock: Clock) -> None:
        self._outbox = outbox
        self._sweeper = sweeper
        self._clock = clock
        self.more = False
        """Whether there may be more new rows than were found."""
        self.start_over(0)

    @property
    def mark(self) -> int:
        """The id up to which every one is published or will never be used."""
        return self._progress.mark

    def start_over(self, mark: int) -> None:
        """Forget which rows are published, and read the outbox from `mark` on."""
        self._progress = Progress(mark)
        self._settle_at = float("-inf")
        self._sweeper.forget()

    def find(self) -> list[int]:
        """Return the rows to be published, lowest id first; all earlier ones must be published.

        They are new rows, rows in former gaps, overlooked rows, and rows that reuse the ids of
        deleted rows. The gaps are read after the new rows. A change of a row is inserted only after
        the row's previous change was committed, so all earlier changes of a found row are found.
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
        progress.found(new, self._clock.monotonic())
        self._sweeper.watch(progress.mark)
        return sorted(found | back)

    def published(self, rows: Sequence[OutboxRecord]) -> None:
        """Never return these rows again."""
        self._progress.finish(ranges_of(row.id for row in rows))

    def _settle(self) -> None:
        """Settle the gaps that are old and can never be filled, because they were rolled back.

        InnoDB keeps deleted rows until they are purged, so reading from the head of the outbox gets
        slower and slower. Reading therefore starts at the mark. All ids up to the mark are dealt
        with.
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
        """Return the `gaps` that can never be filled; halve the list to find the others."""
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
