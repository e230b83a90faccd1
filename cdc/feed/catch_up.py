"""Reads from Kafka the changes that a reader missed and that are no longer in memory.

`stream.py` decides when a reader that resumes needs these changes.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cdc.feed.follower import in_time_order
from cdc.feed.hub import Hub
from cdc.feed.position import FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.wire.topic import Tail

MOST_RECORDS = 20_000
"""The maximum number of missed records that are sent to a reader.

A reader that has missed more records gets a `gap` frame instead.
"""
_MOST_TAILS = 4
_LINGER_SECONDS = 10.0
_POLL_RECORDS = 200
_POLL_SECONDS = 0.5
_MOST_EMPTY_POLLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedChanges:
    """A batch of missed changes, each with the position after it."""

    changes: list[tuple[RenderedChange, FeedPosition]]
    position: FeedPosition
    """The position after the batch."""
    lost: int
    """The number of missed records that Kafka has removed."""


@dataclass(slots=True)
class _OpenTail:
    """An open tail, and the range that it is reading, if any."""

    tail: Tail
    range_: tuple[FeedPosition, FeedPosition] | None = None


class CatchUp:
    """Reads missed changes for all readers that need them, one batch at a time.

    A few threads serve the readers in turn. A reader occupies a thread and a tail only while a
    batch is read, not while the batch is sent. A slow reader therefore blocks no other reader.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._threads = ThreadPoolExecutor(_MOST_TAILS, "feed-catch-up")
        self._idle: list[_OpenTail] = []
        """The tails that no thread uses, at most one for each thread."""
        self._lock = threading.Lock()
        self._readers = 0

    async def read(
        self, start: FeedPosition, end: FeedPosition
    ) -> AsyncGenerator[MissedChanges, None]:
        """Yield the changes from `start` to `end` in batches.

        Raise Retryable if Kafka is unreachable. A batch is read only after the previous batch was
        consumed. A slow reader therefore has only one batch in memory.
        """
        loop = asyncio.get_running_loop()
        self._readers += 1
        try:
            batch = await loop.run_in_executor(self._threads, self._begin, start, end)
            if batch.lost:
                yield batch
            at, empty = batch.position, 0
            while not at.covers(end) and empty < _MOST_EMPTY_POLLS and not self._hub.closing:
                batch = await loop.run_in_executor(self._threads, self._continue, at, end)
                empty = 0 if batch.position != at else empty + 1
                at = batch.position
                yield batch
        finally:
            self._readers -= 1
            loop.call_later(_LINGER_SECONDS, self._close_unused)

    def _begin(self, start: FeedPosition, end: FeedPosition) -> MissedChanges:
        """Move to the first records that Kafka still has; count the removed records."""
        with self._lent(None) as lent:
            held = start.moved(
                {
                    number: min(max(start.offsets[number], first), end.offsets[number])
                    for number, first in enumerate(lent.tail.bounds().first)
                    if start.offsets[number] < end.offsets[number]
                }
            )
        return MissedChanges(changes=[], position=held, lost=sum(held.offsets) - sum(start.offsets))

    def _continue(self, at: FeedPosition, end: FeedPosition) -> MissedChanges:
        """Read the next batch."""
        with self._lent((at, end)) as lent:
            if lent.range_ != (at, end):
                pairs = enumerate(zip(at.offsets, end.offsets, strict=True))
                lent.tail.start({number: mine for number, (mine, last) in pairs if mine < last})
            batch = self._poll(lent.tail, at, end)
            lent.range_ = batch.position, end
            return batch

    @contextmanager
    def _lent(self, range_: tuple[FeedPosition, FeedPosition] | None) -> Iterator[_OpenTail]:
        """Lend an idle tail, preferably one that is reading this range; close it on an error."""
        with self._lock:
            self._idle.sort(key=lambda each: each.range_ == range_)
            lent = self._idle.pop() if self._idle else None
        lent = lent or _OpenTail(self._hub.open_tail())
        with ExitStack() as on_error:
            on_error.callback(lent.tail.close)
            yield lent
            on_error.pop_all()
        with self._lock:
            self._idle.append(lent)

    def _close_unused(self) -> None:
        if not self._readers:
            self._threads.submit(self._close_idle)

    def _close_idle(self) -> None:
        with self._lock:
            unused, self._idle = self._idle, []
        for each in unused:
            each.tail.close()

    def _poll(self, tail: Tail, at: FeedPosition, end: FeedPosition) -> MissedChanges:
        changes = []
        lost = 0
        records = tail.poll(_POLL_RECORDS, _POLL_SECONDS)
        read = (((each.source.partition, each.offset), self._hub.render(each)) for each in records)
        for (number, offset), change in in_time_order(read):
            reached = min(offset, end.offsets[number])
            lost += max(reached - at.offsets[number], 0)
            at = at.moved({number: max(reached, at.offsets[number])})
            if offset < end.offsets[number]:
                at = at.after(number, offset)
                if change:
                    changes.append((change, at))
        ended = {
            number: min(offset, end.offsets[number])
            for number, offset in tail.ended().items()
            if min(offset, end.offsets[number]) > at.offsets[number]
        }
        lost += sum(ended[number] - at.offsets[number] for number in ended)
        return MissedChanges(changes=changes, position=at.moved(ended), lost=lost)
