"""Pages of the topic, read again from Kafka: the last changes, or those from a place on."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter

from cdc.errors import CdcError, Retryable
from cdc.feed.audience import Audience
from cdc.feed.change import Change
from cdc.feed.filter import Filter
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.wire.records import Record
from cdc.wire.topic import OpenTail, Tail

PAGE = 100
_WINDOW = 150
"""Records of a partition that are read at once."""
_MOST_ROUNDS = 12
"""A filter that lets little pass is not searched for through a whole topic at once."""
_SECONDS = 5.0
Seen = list[tuple[int, Change | None]]
"""Offsets, and what stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some changes in a row, and how to go on from them."""

    changes: list[Change]
    """The newest first."""
    older: FeedPosition | None = None
    newer: FeedPosition | None = None
    live: FeedPosition | None = None
    """Where the stream goes on, when this page ends where the topic does."""
    lost: int = 0
    """Records between these that Kafka no longer holds."""


@dataclass(slots=True)
class _Walk:
    """From a position towards a bound, by time, until a page is full."""

    tail: Tail
    read: Callable[[Record], Change | None]
    wanted: Callable[[Change], bool]
    at: FeedPosition
    bound: FeedPosition
    down: bool
    found: list[Change] = field(default_factory=list)
    lost: int = 0

    def go(self) -> None:
        """Fill `found`, in the order of the walk, and move `at`."""
        for _ in range(_MOST_ROUNDS):
            windows = self._windows()
            if not windows or self._merge(windows, self._read(windows)):
                return

    def _windows(self) -> dict[int, tuple[int, int]]:
        pairs = enumerate(zip(self.at.offsets, self.bound.offsets, strict=True))
        if self.down:
            return {n: (max(low, at - _WINDOW), at) for n, (at, low) in pairs if at > low}
        return {n: (at, min(high, at + _WINDOW)) for n, (at, high) in pairs if at < high}

    def _read(self, windows: dict[int, tuple[int, int]]) -> dict[int, Seen]:
        self.tail.start({number: low for number, (low, _) in windows.items()})
        seen: dict[int, Seen] = {number: [] for number in windows}
        pending = set(windows)
        deadline = time.monotonic() + _SECONDS
        while pending:
            if time.monotonic() > deadline:
                raise Retryable("Kafka did not give the changes in time: try again.")
            for record in self.tail.poll(500, 0.2):
                number, (low, high) = record.source.partition, windows[record.source.partition]
                if low <= record.offset < high:
                    seen[number].append((record.offset, self.read(record)))
                if record.offset >= high - 1:
                    pending.discard(number)
            pending -= set(self.tail.ended())
        self.lost += sum(high - low - len(seen[n]) for n, (low, high) in windows.items())
        return seen

    def _merge(self, windows: dict[int, tuple[int, int]], seen: dict[int, Seen]) -> bool:
        """Take what was read in the order of time; return whether the page is full.

        What lies behind a window may come before the rest of the others, so the first window that
        is used up ends it, unless nothing lies behind it.
        """
        heads = {number: _timed(changes, down=self.down) for number, changes in seen.items()}
        while True:
            for number in [number for number, waiting in heads.items() if not waiting]:
                del heads[number]
                edge = windows[number][0 if self.down else 1]
                self.at = self.at.moved({number: edge})
                if edge != self.bound.offsets[number]:
                    return False
            if not heads:
                return False
            choose = max if self.down else min
            number = choose(heads, key=lambda number: heads[number][-1][0])
            _, offset, change = heads[number].pop()
            self.at = self.at.moved({number: offset if self.down else offset + 1})
            if change and self.wanted(change):
                self.found.append(change)
                if len(self.found) == PAGE:
                    return True


class Past:
    """Reads pages, one at a time; raises Retryable while Kafka is away."""

    def __init__(self, open_tail: OpenTail, read: Callable[[Record], Change | None]) -> None:
        self._open_tail, self._read = open_tail, read
        self._lock = threading.Lock()
        self._tail: Tail | None = None

    def newest(self, before: FeedPosition | None, wanted: Filter, audience: Audience) -> Page:
        """Return the last changes before a position, or the last of all."""
        with self._lock:
            bounds = self._bounds()
            at = _held(before, bounds) or bounds.end
            walk = self._walk(at, bounds.first, wanted, audience)
            return Page(
                changes=walk.found,
                older=walk.at if walk.at != bounds.first else None,
                newer=at if at != bounds.end else None,
                live=bounds.end if at == bounds.end else None,
                lost=walk.lost,
            )

    def since(self, after: FeedPosition | None, wanted: Filter, audience: Audience) -> Page:
        """Return the first changes behind a position; those of the end when it is of no use."""
        with self._lock:
            bounds = self._bounds()
            at = _held(after, bounds) or bounds.end
            walk = self._walk(at, bounds.end, wanted, audience, down=False)
            ended = walk.at == bounds.end
            return Page(
                changes=walk.found[::-1],
                older=at if at != bounds.first else None,
                newer=None if ended else walk.at,
                live=bounds.end if ended else None,
                lost=walk.lost,
            )

    def at_time(self, moment_ms: int) -> FeedPosition:
        """Return the position before what was captured then or later."""
        with self._lock:
            end = self._bounds().end
            return end.moved(self._reached().since(moment_ms))

    def at_offset(self, partition: int, offset: int) -> FeedPosition | None:
        """Return the position before a record, the other partitions about as far in time.

        None when there is no such partition.
        """
        with self._lock:
            bounds = self._bounds()
            if not 0 <= partition < len(bounds.end.offsets):
                return None
            high = bounds.end.offsets[partition]
            offset = min(max(offset, bounds.first.offsets[partition]), high)
            change = next((c for c in self._some(partition, offset) if c and c.ts_ms), None)
            if change is None:
                return bounds.end.moved({partition: offset})
            return bounds.end.moved({**self._reached().since(change.ts_ms), partition: offset})

    def record(self, partition: int, offset: int) -> Record | None:
        """Return one record; None when Kafka does not hold it."""
        with self._lock:
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
        down: bool = True,
    ) -> _Walk:
        walk = _Walk(
            tail=self._reached(),
            read=self._read,
            wanted=lambda change: wanted.matches(change, audience),
            at=at,
            bound=bound,
            down=down,
        )
        try:
            walk.go()
        except CdcError:
            self._drop()
            raise
        return walk

    def _some(self, partition: int, offset: int) -> list[Change | None]:
        return [self._read(record) for record in self._records(partition, offset)]

    def _records(self, partition: int, offset: int) -> list[Record]:
        tail = self._reached()
        tail.start({partition: offset})
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if (records := tail.poll(20, 0.2)) or partition in tail.ended():
                return records
        raise Retryable("Kafka did not give the change in time: try again.")

    def _bounds(self) -> FeedBounds:
        try:
            return FeedBounds.of(self._reached().bounds())
        except CdcError:
            self._drop()
            raise

    def _reached(self) -> Tail:
        if self._tail is None:
            self._tail = self._open_tail()
        return self._tail

    def _drop(self) -> None:
        if self._tail is not None:
            with suppress(CdcError):
                self._tail.close()
        self._tail = None


def _held(asked: FeedPosition | None, bounds: FeedBounds) -> FeedPosition | None:
    """Return a position within what the topic holds; None for one of another topic."""
    fitted = asked.fitted(bounds.end) if asked else None
    if fitted is None:
        return None
    held = zip(fitted.offsets, bounds.first.offsets, bounds.end.offsets, strict=True)
    return FeedPosition(fitted.tag, tuple(min(max(at, low), high) for at, low, high in held))


def _timed(seen: Seen, *, down: bool) -> list[tuple[float, int, Change | None]]:
    """Return what stands in a window with its time, what comes first in the walk as the last item.

    A partition's own order is kept, whatever times its changes claim.
    """
    timed: list[tuple[float, int, Change | None]] = []
    last = float("inf") if down else float("-inf")
    nearer = min if down else max
    for offset, change in sorted(seen, key=itemgetter(0), reverse=down):
        if change and change.ts_ms:
            last = nearer(last, change.ts_ms)
        timed.append((last, offset, change))
    return timed[::-1]
