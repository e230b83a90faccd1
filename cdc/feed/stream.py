"""One reader's stream: from where they were to what happens now, without a gap that is not told."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from enum import Enum
from random import random

from cdc.errors import CdcError
from cdc.feed.audience import Audience
from cdc.feed.catch_up import MOST_RECORDS, CatchUp, Missed
from cdc.feed.filter import Filter
from cdc.feed.hub import LONGEST_CHUNK, Hub
from cdc.feed.position import FeedPosition
from cdc.feed.ring import Entry, Ring
from cdc.feed.sse import frame, heartbeat, message, opening

HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 30.0
"""How often it is asked whether the reader may still read."""
_LONGEST_WAIT = 1.0
_PATIENCE_SECONDS = 10.0
"""How long a position may be ahead of this process, which another process gave."""

Parts = AsyncGenerator[bytes, None]


class Standing(Enum):
    """What a reader may, now."""

    MAY = "may"
    MAY_NOT = "may not"
    UNKNOWN = "unknown"
    """Nobody could say: the stream ends without a word, and the browser comes again."""


Ask = Callable[[], Awaitable[Standing]]


class Reader:
    """Where one reader is; every frame that is made moves it."""

    def __init__(
        self,
        hub: Hub,
        catch_up: CatchUp,
        audience: Audience,
        wanted: Filter,
        at: FeedPosition | None,
    ) -> None:
        self._hub, self._catch_up = hub, catch_up
        self._audience, self._wanted = audience, wanted
        self._at = at
        self._ring: Ring | None = None
        """The ring that `_number` counts in; there is another when the topic was made anew."""
        self._number: int | None = None
        """The next change in the ring; None for who is not in step with it."""
        self._ahead_since: float | None = None
        self._said = ""
        self._note = hub.notes.next
        """The next note on delays."""
        self._spoke = time.monotonic()
        # Many who come at once, as after a restart, are not all asked about at once.
        self._checked = self._spoke - random() * CHECK_SECONDS  # noqa: S311 -- no secret

    async def stream(self, ask: Ask) -> Parts:
        """Return the frames, until the process stops or the reader may read no more."""
        with self._hub.reading():
            yield opening()
            while not self._hub.closing:
                async with aclosing(self._news()) as news:
                    async for part in news:
                        if part:
                            self._spoke = time.monotonic()
                            yield part
                        if await self._standing(ask) is not Standing.MAY:
                            break
                standing = await self._standing(ask)
                if standing is Standing.MAY_NOT:
                    yield message("bye", why="You may not read the feed any more.")
                if standing is not Standing.MAY:
                    return
                if self._at and time.monotonic() - self._spoke >= HEARTBEAT_SECONDS:
                    self._spoke = time.monotonic()
                    yield heartbeat(self._at)
                await self._hub.news(_LONGEST_WAIT)

    async def _standing(self, ask: Ask) -> Standing:
        """Return what the reader may, asked anew when it is time; a bad answer is not kept."""
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return Standing.MAY
        standing = await ask()
        if standing is Standing.MAY:
            self._checked = time.monotonic()
        return standing

    async def _news(self) -> Parts:
        """Return what is new now."""
        if state := self._state():
            yield state
        yield b"".join(self._hub.notes.since(self._note))
        self._note = self._hub.notes.next
        while (ring := self._hub.ring) is not None and not self._hub.closing:
            if (
                ring is self._ring
                and self._number is not None
                and self._number >= self._hub.visible
            ):
                if self._number == ring.next:
                    self._at = ring.end
                return
            if ring is self._ring and self._number is not None and self._number >= ring.first:
                part, self._number = self._hub.chunk(self._number, self._audience, self._wanted)
                self._at = ring.position_before(self._number)
                yield part
                continue
            self._ring, self._number = ring, None
            try:
                async with aclosing(self._enter(ring)) as parts:
                    async for part in parts:
                        yield part
            except CdcError:
                return  # Kafka is away, as the hub will say; the next turn tries again
            if self._ahead_since is not None:
                return

    def _state(self) -> bytes:
        """Return whether Kafka answers, when it is known and not what was said last."""
        state = "away" if self._hub.away else "up" if self._hub.ring else ""
        if not state or state == self._said:
            return b""
        self._said = state
        return message("state", kafka=state)

    async def _enter(self, ring: Ring) -> Parts:
        """Bring the reader into step with the ring, if need be by Kafka; or some way there."""
        if self._at is None:
            self._at, self._number = ring.end, ring.next
            yield message("here", ring.end)
            return
        at = self._at.fitted(ring.end)
        if at is None:
            yield self._gap(ring, "The topic is another one now.", None)
        elif not ring.end.covers(at):
            if self._is_lost(time.monotonic()):
                yield self._gap(ring, "The topic ends before what you had seen.", None)
        elif not at.covers(ring.start):
            async with aclosing(self._from_kafka(at, ring)) as parts:
                async for part in parts:
                    yield part
        else:
            self._ahead_since = None
            self._at, self._number = at, ring.number_at(at)
            if self._number is None:
                yield self._from_ring(at, ring)

    def _is_lost(self, now: float) -> bool:
        """Return whether a position has been ahead of this process for too long to come true."""
        if self._ahead_since is None:
            self._ahead_since = now
        lost = now - self._ahead_since > _PATIENCE_SECONDS
        if lost:
            self._ahead_since = None
        return lost

    async def _from_kafka(self, at: FeedPosition, ring: Ring) -> Parts:
        missing = at.missing_to(ring.start)
        if missing > MOST_RECORDS:
            yield self._gap(ring, "There were too many to send them again.", missing)
            return
        async with aclosing(self._catch_up.read(at, ring.start)) as portions:
            async for missed in portions:
                self._at = missed.position
                yield self._frames(missed)
                if missed.lost:
                    why = "Kafka keeps the last change of each story, and newer ones came."
                    yield message("gap", self._at, why=why, missing=missed.lost)

    def _from_ring(self, at: FeedPosition, ring: Ring) -> bytes:
        """Return what the ring has behind a position that is not one of its own."""
        parts = []
        length = 0
        for entry in ring.since(ring.first):
            change = entry.change
            if change.offset < at.offsets[change.partition]:
                continue
            at = at.after(change.partition, change.offset)
            parts.append(self._frame(Entry(change, at)))
            length += len(parts[-1])
            if length > LONGEST_CHUNK:
                self._at = at
                return b"".join(parts)
        self._at, self._number = ring.end, ring.next
        return b"".join(parts)

    def _frames(self, missed: Missed) -> bytes:
        return b"".join(self._frame(Entry(*found)) for found in missed.changes)

    def _frame(self, entry: Entry) -> bytes:
        if self._wanted and not self._wanted.matches(entry.change, self._audience):
            return b""
        return frame("change", entry.change.data[self._audience], entry.position)

    def _gap(self, ring: Ring, why: str, missing: int | None) -> bytes:
        """Go on at the first change that memory holds; say what lies between."""
        self._at, self._number = ring.start, ring.first
        return message("gap", self._at, why=why, missing=missing)
