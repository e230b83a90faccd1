"""What a reader missed and memory no longer holds, read again from Kafka by a tail of its own."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cdc.feed.change import Change
from cdc.feed.hub import Hub
from cdc.feed.position import FeedPosition
from cdc.wire.topic import Tail

MOST_RECORDS = 20_000
"""A reader who is further behind is told of a gap instead."""
_MOST_AT_ONCE = 4
_POLL_RECORDS = 200
_POLL_SECONDS = 0.5
_MOST_EMPTY_POLLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Some changes that a reader did not have, and the position behind them."""

    changes: list[tuple[Change, FeedPosition]]
    position: FeedPosition
    lost: int
    """Records that Kafka no longer holds: compaction has taken them."""


class CatchUp:
    """Reads for readers who fell behind, for a few of them at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._turn = asyncio.Semaphore(_MOST_AT_ONCE)

    async def read(self, at: FeedPosition, upto: FeedPosition) -> AsyncGenerator[Missed, None]:
        """Return all from `at` until `upto`, in portions; raises Retryable.

        Each portion is read when the last one has been taken, so a slow reader holds one portion.
        """
        async with self._turn, self._tail() as tail:
            begun = await asyncio.to_thread(_begin, tail, at, upto)
            if begun.lost:
                yield begun
            at, empty = begun.position, 0
            while not at.covers(upto) and empty < _MOST_EMPTY_POLLS and not self._hub.closing:
                missed = await asyncio.to_thread(self._portion, tail, at, upto)
                empty = 0 if missed.position != at else empty + 1
                at = missed.position
                yield missed

    def _portion(self, tail: Tail, at: FeedPosition, upto: FeedPosition) -> Missed:
        changes = []
        lost = 0
        for record in tail.poll(_POLL_RECORDS, _POLL_SECONDS):
            number = record.source.partition
            reached = min(record.offset, upto.offsets[number])
            lost += max(reached - at.offsets[number], 0)
            at = at.moved({number: max(reached, at.offsets[number])})
            if record.offset < upto.offsets[number]:
                at = at.after(number, record.offset)
                if change := self._hub.read(record):
                    changes.append((change, at))
        ended = {
            number: min(end, upto.offsets[number])
            for number, end in tail.ended().items()
            if min(end, upto.offsets[number]) > at.offsets[number]
        }
        lost += sum(ended[number] - at.offsets[number] for number in ended)
        return Missed(changes=changes, position=at.moved(ended), lost=lost)

    @asynccontextmanager
    async def _tail(self) -> AsyncIterator[Tail]:
        tail = await asyncio.to_thread(self._hub.open_tail)
        try:
            yield tail
        finally:
            await asyncio.to_thread(tail.close)


def _begin(tail: Tail, at: FeedPosition, upto: FeedPosition) -> Missed:
    """Let the tail read what is missing, and return what Kafka does not hold of it."""
    first = tail.bounds().first
    held = at.moved(
        {
            number: min(max(at.offsets[number], begin), upto.offsets[number])
            for number, begin in enumerate(first)
            if at.offsets[number] < upto.offsets[number]
        }
    )
    tail.start(
        {
            number: offset
            for number, offset in enumerate(held.offsets)
            if offset < upto.offsets[number]
        }
    )
    return Missed(changes=[], position=held, lost=sum(held.offsets) - sum(at.offsets))
