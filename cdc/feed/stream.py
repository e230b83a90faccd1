"""The stream of one reader, which resumes at the reader's position and continues live.

If changes are missing, the stream reports a gap.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from random import random

from cdc.audience import Audience
from cdc.errors import CdcError
from cdc.feed.admission.access import Access
from cdc.feed.catch_up import MOST_RECORDS, CatchUp
from cdc.feed.filter import Filter
from cdc.feed.hub import LONGEST_CHUNK, Hub
from cdc.feed.position import FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.feed.ring import Ring, RingEntry
from cdc.feed.sse import frame, heartbeat, message, retry

HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 30.0
"""The interval at which the reader's access is checked again."""
_MOST_REPORTS = 500
"""Delays are reported for at most this number of the newest missed changes in the ring.

The page shows no more changes.
"""
_LONGEST_WAIT = 1.0
_SHORTEST_WAIT = 0.01
_PATIENCE_SECONDS = 10.0
"""How many seconds a reader's position may be ahead of this process.

Another process may have given the reader this position.
"""

Frames = AsyncGenerator[bytes, None]


CheckAccess = Callable[[], Awaitable[Access]]


class Reader:
    """One reader and its position, which advances with each frame that is produced."""

    def __init__(
        self,
        hub: Hub,
        catch_up: CatchUp,
        audience: Audience,
        wanted: Filter,
        at: FeedPosition | None,
        phase: float | None = None,
    ) -> None:
        """`phase`, from 0 to 1, is the point of the check interval at which access is checked.

        Readers with the same phase are checked together. The default is random, so that readers
        that connect together are not checked together.
        """
        self._hub, self._catch_up = hub, catch_up
        self._audience, self._wanted = audience, wanted
        self._at = at
        self._ring: Ring | None = None
        """The ring to which `_number` refers; a hub with a new topic has a new ring."""
        self._number: int | None = None
        """The number of the next change in the ring; None until the reader has reached the ring."""
        self._ahead_since: float | None = None
        self._reported_state = ""
        self._next_delay = 0
        """The number of the next delay frame. It starts at 0, because a page may be older than the
        frames that are kept."""
        self._sent = time.monotonic()
        self._phase = random() if phase is None else phase  # noqa: S311 -- no secret
        self._checked = self._last_due(self._sent)

    async def stream(self, check: CheckAccess) -> Frames:
        """Yield frames until the process stops, or until access is lost or cannot be checked."""
        with self._hub.reading() as group:
            yield retry(self._hub.crowd)
            while not self._hub.closing:
                turn = self._hub.turn
                async with aclosing(self._news()) as news:
                    async for part in news:
                        if part:
                            self._sent = time.monotonic()
                            yield part
                        if await self._access(check) is not Access.ALLOWED:
                            break
                access = await self._access(check)
                if access is Access.DENIED:
                    yield message("bye", why="You no longer have access to the feed.")
                if access is not Access.ALLOWED:
                    return
                if time.monotonic() - self._sent >= HEARTBEAT_SECONDS:
                    self._sent = time.monotonic()
                    yield heartbeat(self._at)
                await self._hub.news(self._longest_wait(), turn, group)
            # Now the number of readers that will reconnect together is known.
            yield retry(self._hub.crowd)

    def _longest_wait(self) -> float:
        """Return how many seconds the reader may wait, even if there is no news."""
        # The hub might not signal what this reader is waiting for.
        if self._number is None:
            return _LONGEST_WAIT
        due = min(self._sent + HEARTBEAT_SECONDS, self._checked + CHECK_SECONDS)
        return max(due - time.monotonic(), _SHORTEST_WAIT)

    async def _access(self, check: CheckAccess) -> Access:
        """Return the reader's access, and check it again if a check is due.

        Only ALLOWED is cached until the next check.
        """
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return Access.ALLOWED
        access = await check()
        if access is Access.ALLOWED:
            self._checked = self._last_due(time.monotonic())
        return access

    def _last_due(self, now: float) -> float:
        """Return the last time at which a check was due."""
        return now - (now - self._phase * CHECK_SECONDS) % CHECK_SECONDS

    async def _news(self) -> Frames:
        """Yield the frames that are new to this reader."""
        if state := self._state():
            yield state
        yield b"".join(self._hub.delays.since(self._next_delay))
        self._next_delay = self._hub.delays.next
        while (ring := self._hub.ring) is not None and not self._hub.closing:
            number = self._number if ring is self._ring else None
            if number is not None and number >= self._hub.visible:
                if number == ring.next:
                    self._at = ring.end
                return
            if number is not None and number >= ring.first:
                part, self._number = self._hub.chunk(number, self._audience, self._wanted)
                self._at = ring.position_before(self._number)
                yield part
                continue
            self._ring, self._number = ring, None
            try:
                async with aclosing(self._enter(ring)) as parts:
                    async for part in parts:
                        yield part
            except CdcError:
                return  # The hub reports that Kafka is unreachable. The next call tries again.
            if self._ahead_since is not None:
                return

    def _state(self) -> bytes:
        """Return a frame if Kafka's state is known and has changed."""
        state = "away" if self._hub.error else "up" if self._hub.ring else ""
        if not state or state == self._reported_state:
            return b""
        self._reported_state = state
        return message("state", kafka=state)

    async def _enter(self, ring: Ring) -> Frames:
        """Move the reader to the ring, or closer to it; if necessary, read changes from Kafka."""
        if self._at is None:
            self._at, self._number = ring.end, ring.next
            yield message("here", ring.end)
            return
        at = self._at.fitted(ring.end)
        if at is not None and not ring.end.covers(at):
            if self._is_lost(time.monotonic()):
                yield self._gap(ring, "Kafka has lost the newest changes of the topic.", None)
            return
        self._ahead_since = None
        if at is None:
            yield self._gap(ring, "The Kafka topic was deleted and created again.", None)
        elif not at.covers(ring.start):
            async with aclosing(self._from_kafka(at, ring)) as parts:
                async for part in parts:
                    yield part
        else:
            self._at, self._number = at, ring.number_at(at)
            if self._number is None:
                yield self._from_ring(at, ring)
            else:
                missed = ring.since(max(self._number, ring.next - _MOST_REPORTS))
                yield self._delays(entry.change for entry in missed)

    def _is_lost(self, now: float) -> bool:
        """Return whether the reader's position has been ahead of this process for too long."""
        if self._ahead_since is None:
            self._ahead_since = now
        lost = now - self._ahead_since > _PATIENCE_SECONDS
        if lost:
            self._ahead_since = None
        return lost

    async def _from_kafka(self, at: FeedPosition, ring: Ring) -> Frames:
        missing = at.missing_to(ring.start)
        if missing > MOST_RECORDS:
            yield self._gap(ring, "There are too many missed changes to send all of them.", missing)
            return
        async with aclosing(self._catch_up.read(at, ring.start)) as batches:
            async for missed in batches:
                self._at = missed.position
                yield b"".join(self._frame(RingEntry(*found)) for found in missed.changes)
                yield self._delays(change for change, _ in missed.changes)
                if missed.lost:
                    why = "Kafka has removed them and keeps only the latest change of each row."
                    yield message("gap", self._at, why=why, missing=missed.lost)

    def _from_ring(self, at: FeedPosition, ring: Ring) -> bytes:
        """Return the frames of the ring's changes after a position that is not in the ring."""
        parts: list[bytes] = []
        sent: deque[RenderedChange] = deque(maxlen=_MOST_REPORTS)
        length = 0
        for entry in ring.since(ring.first):
            change = entry.change
            if change.offset < at.offsets[change.partition]:
                continue
            at = at.after(change.partition, change.offset)
            sent.append(change)
            parts.append(self._frame(RingEntry(change, at)))
            length += len(parts[-1])
            if length > LONGEST_CHUNK:
                self._at = at
                break
        else:
            self._at, self._number = ring.end, ring.next
        return b"".join((*parts, self._delays(sent)))

    def _delays(self, changes: Iterable[RenderedChange]) -> bytes:
        """Return a frame with the known delays of missed changes; later frames report the others.

        The frames that are kept may no longer contain these delays.
        """
        return self._hub.delays.report(filter(self._matches, changes))

    def _matches(self, change: RenderedChange) -> bool:
        return not self._wanted or self._wanted.matches(change, self._audience)

    def _frame(self, entry: RingEntry) -> bytes:
        if not self._matches(entry.change):
            return b""
        return frame("change", entry.change.data[self._audience], entry.position)

    def _gap(self, ring: Ring, why: str, missing: int | None) -> bytes:
        """Move to the first change in memory, and return a frame that reports the gap."""
        self._at, self._number = ring.start, ring.first
        return message("gap", self._at, why=why, missing=missing)
