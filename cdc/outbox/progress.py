"""The publishing relay's progress: the outbox ids that are finished."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""The first and the last id of a run of consecutive ids."""
SETTLE_AGE_SECONDS = 3.0
"""How long an id must be missing before it may count as never used.

InnoDB assigns an id shortly before it inserts the row. An id without a row and without a lock may
therefore still get a row.
"""


class Ranges:
    """A set of ids. They are stored as ranges, so that consecutive ids need little memory."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._lasts, number)
        return at < len(self._lasts) and self._firsts[at] <= number

    def add(self, first: int, last: int) -> None:
        """Add the ids from `first` to `last`, which may be in the set already."""
        low, high = bisect_left(self._lasts, first - 1), bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def between(self, first: int, last: int) -> Iterator[Range]:
        """Yield the ranges of ids from `first` to `last` that are not in the set."""
        for at in range(bisect_left(self._lasts, first), len(self._lasts)):
            if self._firsts[at] > last:
                break
            if first < self._firsts[at]:
                yield first, self._firsts[at] - 1
            first = self._lasts[at] + 1
        if first <= last:
            yield first, last

    def discard_upto(self, number: int) -> int:
        """Remove the ids up to `number` and all ids that follow without a gap.

        Return the last removed id, or `number` if it is higher.
        """
        while self._firsts and self._firsts[0] <= number + 1:
            number = max(number, self._lasts.pop(0))
            del self._firsts[0]
        return number


class Progress:
    """The finished ids, and the gaps between them.

    An id is finished if its row is published, or if it will never have a row. An id is assigned at
    the insert but visible only after the commit, so a lower id may appear after a higher id. Every
    id up to `mark` is finished. A gap is an id between `mark` and `highest` that is not finished:
    its row is not committed yet, or was rolled back.
    """

    def __init__(self, mark: int = 0) -> None:
        self.mark = self.highest = mark
        self._done = Ranges()
        self._passed: deque[tuple[float, int]] = deque()
        """The times at which `highest` rose, each with the new highest id."""
        self._old = mark
        """Gaps up to this id are old enough to be examined."""

    def __contains__(self, number: int) -> bool:
        """Return whether an id above the mark is finished."""
        return number in self._done

    def passed(self, number: int) -> bool:
        """Return whether an id is finished; the id may be at or below the mark."""
        return number <= self.mark or number in self._done

    def found(self, ids: Iterable[int], now: float) -> None:
        """Record that rows with these ids exist; missing ids between them become gaps."""
        highest = max(ids, default=0)
        if highest > self.highest:
            self.highest = highest
            self._passed.append((now, highest))

    def finish(self, ranges: Iterable[Range]) -> None:
        """Mark these ids as finished, and raise `mark` up to the first gap."""
        for first, last in ranges:
            if last > self.mark:
                self._done.add(max(first, self.mark + 1), last)
        self.mark = self._done.discard_upto(self.mark)

    def gaps(self) -> list[Range]:
        """Return the gaps, lowest first."""
        return list(self._done.between(self.mark + 1, self.highest))

    def old_gaps(self, now: float) -> list[Range]:
        """Return the gaps that have existed for at least `SETTLE_AGE_SECONDS`, lowest first."""
        while self._passed and self._passed[0][0] <= now - SETTLE_AGE_SECONDS:
            _, self._old = self._passed.popleft()
        return list(self._done.between(self.mark + 1, self._old))


def ranges_of(ids: Iterable[int]) -> list[Range]:
    """Return ascending ids as ranges."""
    ranges: list[Range] = []
    for number in ids:
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def covering(ranges: list[Range], most: int) -> list[Range]:
    """Return at most `most` ranges that contain all ids in `ranges`, and possibly other ids."""
    step = -(-len(ranges) // most) or 1
    starts = range(0, len(ranges), step)
    return [(ranges[at][0], ranges[min(at + step, len(ranges)) - 1][1]) for at in starts]
