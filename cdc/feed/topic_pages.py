"""Reads pages of the topic from Kafka: the latest changes, or the changes after a position."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import itemgetter

from cdc.audience import Audience
from cdc.errors import CdcError, Retryable
from cdc.feed.filter import Filter
from cdc.feed.follower import Render
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.wire.records import Record
from cdc.wire.topic import OpenTail, Tail
from cdc.wire.windows import MOST_BYTES, Slow, TooManyBytes, read_windows, size_of

PAGE = 100
_WINDOW = 150
"""The number of records that are read at once from a partition."""
_MOST_ROUNDS = 12
"""The maximum number of reads for one page. If few changes match, the page is not full."""
_SECONDS = 5.0
_MOST_BYTES = 48_000_000
"""A page ends early after it has read more than this number of bytes."""
OffsetChanges = list[tuple[int, RenderedChange | None]]
"""Offsets, and the change to show for each offset, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPage:
    """A page of changes, and the positions of the adjacent pages."""

    changes: list[RenderedChange]
    """The changes, newest first."""
    older: FeedPosition | None = None
    """The position at which the page of older changes ends; None if there are no older changes."""
    newer: FeedPosition | None = None
    """The position at which the page of newer changes starts; None on the newest page."""
    live: FeedPosition | None = None
    """The position at which the stream continues the newest page; None on other pages."""
    lost: int = 0
    """The number of records that Kafka has removed between the offsets of this page."""
    cut_short: bool = False
    """Whether the page ends early because its records are large or Kafka is slow."""


@dataclass(slots=True)
class _Walk:
    """Collects changes in time order, from a position towards a bound, until a page is full."""

    tail: Tail
    render: Render
    wanted: Callable[[RenderedChange], bool]
    at: FeedPosition
    bound: FeedPosition
    backwards: bool
    found: list[RenderedChange] = field(default_factory=list)
    lost: int = 0
    cut_short: bool = False
    window: int = 0
    """The number of records that are read at once from a partition."""
    size: int = 0
    """The bytes that have been read."""

    def run(self) -> None:
        """Fill `found` in the direction of the walk, and move `at` to the end of the walk."""
        self.window = _WINDOW
        until = time.monotonic() + _SECONDS
        rounds = 0
        while rounds < _MOST_ROUNDS and (windows := self._windows()) and not self.cut_short:
            try:
                changes = self._read(windows)
            except Slow:
                if not self.size:
                    raise
                self.cut_short = True
                return
            if changes is None:
                continue
            rounds += 1
            if self._merge(windows, changes):
                return
            self.cut_short = self.size > _MOST_BYTES or time.monotonic() > until

    def _windows(self) -> dict[int, tuple[int, int]]:
        """Return the next range of offsets to read in each partition."""
        pairs = enumerate(zip(self.at.offsets, self.bound.offsets, strict=True))
        if self.backwards:
            return {n: (max(low, at - self.window), at) for n, (at, low) in pairs if at > low}
        return {n: (at, min(high, at + self.window)) for n, (at, high) in pairs if at < high}

    def _read(self, windows: dict[int, tuple[int, int]]) -> dict[int, OffsetChanges] | None:
        """Return the windows' changes; if they are too large, reduce `window` and return None.

        A walk backwards cannot use a part of a window, because it takes the window's last records
        first.
        """
        try:
            read = read_windows(self.tail, windows, bounded=self.window > 1)
        except TooManyBytes as error:
            fitting = MOST_BYTES / (error.mean_bytes * len(windows))
            self.window = max(1, min(self.window // 2, int(fitting)))
            return None
        self.size += sum(size_of(record) for records in read.values() for record in records)
        self.lost += sum(high - low - len(read[n]) for n, (low, high) in windows.items())
        return {n: [(each.offset, self.render(each)) for each in read[n]] for n in read}

    def _merge(
        self, windows: dict[int, tuple[int, int]], changes: dict[int, OffsetChanges]
    ) -> bool:
        """Take the changes in time order; return whether the page is full.

        The merge ends after the last change of a partition's window, because the partition's next
        record may precede the remaining records of other partitions. But if the partition has no
        more records, the merge continues.
        """
        heads = {
            number: _timed(found, backwards=self.backwards) for number, found in changes.items()
        }
        while True:
            for number in [number for number, rest in heads.items() if not rest]:
                del heads[number]
                edge = windows[number][0 if self.backwards else 1]
                self.at = self.at.moved({number: edge})
                if edge != self.bound.offsets[number]:
                    return False
            if not heads:
                return False
            choose = max if self.backwards else min
            number = choose(heads, key=lambda number: heads[number][-1][0])
            _, offset, change = heads[number].pop()
            self.at = self.at.moved({number: offset if self.backwards else offset + 1})
            if change and self.wanted(change):
                self.found.append(change)
                if len(self.found) == PAGE:
                    return True


class TopicPages:
    """Reads one page at a time; raises Retryable if Kafka is unreachable."""

    def __init__(self, open_tail: OpenTail, render: Render) -> None:
        self._open_tail, self._render = open_tail, render
        self._lock = threading.Lock()
        self._tail: Tail | None = None

    def newest(self, before: FeedPosition | None, wanted: Filter, audience: Audience) -> TopicPage:
        """Return the last changes before a position, or before the end of the topic."""
        with self._reading():
            bounds = self._bounds()
            at = bounds.held(before) or bounds.end
            walk = self._walk(at, bounds.first, wanted, audience, backwards=True)
            return TopicPage(
                changes=walk.found,
                older=walk.at if walk.at != bounds.first else None,
                newer=at if at != bounds.end else None,
                live=bounds.end if at == bounds.end else None,
                lost=walk.lost,
                cut_short=walk.cut_short,
            )

    def since(self, after: FeedPosition | None, wanted: Filter, audience: Audience) -> TopicPage:
        """Return the first changes after a position; none for a position in a different topic."""
        with self._reading():
            bounds = self._bounds()
            at = bounds.held(after) or bounds.end
            walk = self._walk(at, bounds.end, wanted, audience, backwards=False)
            ended = walk.at == bounds.end
            return TopicPage(
                changes=walk.found[::-1],
                older=at if at != bounds.first else None,
                newer=None if ended else walk.at,
                live=bounds.end if ended else None,
                lost=walk.lost,
                cut_short=walk.cut_short,
            )

    def at_time(self, moment_ms: int) -> FeedPosition:
        """Return the position before the first changes that were captured at or after a time."""
        with self._reading():
            end = self._bounds().end
            return end.moved(self._open().since(moment_ms))

    def at_offset(self, partition: int, offset: int) -> FeedPosition | None:
        """Return the position before a record, with the other partitions at about the same time.

        Return None if there is no such partition.
        """
        with self._reading():
            bounds = self._bounds()
            if not 0 <= partition < len(bounds.end.offsets):
                return None
            high = bounds.end.offsets[partition]
            offset = min(max(offset, bounds.first.offsets[partition]), high)
            changes = map(self._render, self._records(partition, offset))
            change = next((item for item in changes if item and item.ts_ms), None)
            if change is None:
                return bounds.end.moved({partition: offset})
            return bounds.end.moved({**self._open().since(change.ts_ms), partition: offset})

    def record(self, partition: int, offset: int) -> Record | None:
        """Return one record, or None if Kafka does not have it."""
        with self._reading():
            bounds = self._bounds()
            if not 0 <= partition < len(bounds.end.offsets):
                return None
            if not bounds.first.offsets[partition] <= offset < bounds.end.offsets[partition]:
                return None
            return next((r for r in self._records(partition, offset) if r.offset == offset), None)

    def _walk(
        self,
        at: FeedPosition,
        bound: FeedPosition,
        wanted: Filter,
        audience: Audience,
        *,
        backwards: bool,
    ) -> _Walk:
        walk = _Walk(
            tail=self._open(),
            render=self._render,
            wanted=lambda change: wanted.matches(change, audience),
            at=at,
            bound=bound,
            backwards=backwards,
        )
        walk.run()
        return walk

    def _records(self, partition: int, offset: int) -> list[Record]:
        tail = self._open()
        tail.start({partition: offset})
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if (records := tail.poll(20, 0.2)) or partition in tail.ended():
                return records
        raise Retryable("Kafka did not return the change in time: try again.")

    def _bounds(self) -> FeedBounds:
        return FeedBounds.of(self._open().bounds())

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Lock the tail, and drop it on an error, because its client may get no more answers."""
        with self._lock:
            try:
                yield
            except CdcError:
                self._drop()
                raise

    def _open(self) -> Tail:
        if self._tail is None:
            self._tail = self._open_tail()
        return self._tail

    def _drop(self) -> None:
        if self._tail is not None:
            with suppress(CdcError):
                self._tail.close()
        self._tail = None


def _timed(
    changes: OffsetChanges, *, backwards: bool
) -> list[tuple[float, int, RenderedChange | None]]:
    """Return a window's changes with their times, in reverse order so that the walk can pop them.

    The times are adjusted if they are not in the order of the offsets.
    """
    timed: list[tuple[float, int, RenderedChange | None]] = []
    last = float("inf") if backwards else float("-inf")
    nearer = min if backwards else max
    for offset, change in sorted(changes, key=itemgetter(0), reverse=backwards):
        if change and change.ts_ms:
            last = nearer(last, change.ts_ms)
        timed.append((last, offset, change))
    return timed[::-1]
