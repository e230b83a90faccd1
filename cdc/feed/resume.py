"""Reads from Kafka the changes that a reader missed and that are no longer in memory.

`stream.py` decides when a reader that resumes needs these changes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cdc.feed.hub import Hub
from cdc.feed.position import FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.wire.topic import Tail

MOST_RECORDS = 20_000
"""The maximum number of missed records that are sent to a reader.

A reader that has missed more records gets a `gap` frame instead.
"""
_MOST_AT_ONCE = 4
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


class CatchUp:
    """Reads missed changes for a few readers at a time; each reader has its own tail."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)

    async def read(
        self, start: FeedPosition, end: FeedPosition
    ) -> AsyncGenerator[MissedChanges, None]:
        """Yield the changes from `start` to `end` in batches.

        Raise Retryable if Kafka is unreachable. A batch is read only after the previous batch was
        consumed. A slow reader therefore has only one batch in memory.
        """
        async with self._slots, self._tail() as tail:
            batch = await asyncio.to_thread(_begin, tail, start, end)
            if batch.lost:
                yield batch
            at, empty = batch.position, 0
            while not at.covers(end) and empty < _MOST_EMPTY_POLLS and not self._hub.closing:
                batch = await asyncio.to_thread(self._poll, tail, at, end)
                empty = 0 if batch.position != at else empty + 1
                at = batch.position
                yield batch

    def _poll(self, tail: Tail, at: FeedPosition, end: FeedPosition) -> MissedChanges:
        changes = []
        lost = 0
        for record in tail.poll(_POLL_RECORDS, _POLL_SECONDS):
            number = record.source.partition
            reached = min(record.offset, end.offsets[number])
            lost += max(reached - at.offsets[number], 0)
            at = at.moved({number: max(reached, at.offsets[number])})
            if record.offset < end.offsets[number]:
                at = at.after(number, record.offset)
                if change := self._hub.render(record):
                    changes.append((change, at))
        ended = {
            number: min(offset, end.offsets[number])
            for number, offset in tail.ended().items()
            if min(offset, end.offsets[number]) > at.offsets[number]
        }
        lost += sum(ended[number] - at.offsets[number] for number in ended)
        return MissedChanges(changes=changes, position=at.moved(ended), lost=lost)

    @asynccontextmanager
    async def _tail(self) -> AsyncIterator[Tail]:
        tail = await asyncio.to_thread(self._hub.open_tail)
        try:
            yield tail
        finally:
            await asyncio.to_thread(tail.close)


def _begin(tail: Tail, start: FeedPosition, end: FeedPosition) -> MissedChanges:
    """Start the tail at the first records that Kafka still has; count the removed records."""
    held = start.moved(
        {
            number: min(max(start.offsets[number], first), end.offsets[number])
            for number, first in enumerate(tail.bounds().first)
            if start.offsets[number] < end.offsets[number]
        }
    )
    tail.start(
        {
            number: offset
            for number, offset in enumerate(held.offsets)
            if offset < end.offsets[number]
        }
    )
    return MissedChanges(changes=[], position=held, lost=sum(held.offsets) - sum(start.offsets))
