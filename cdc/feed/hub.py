"""The hub: one tail of the topic in a process, the last changes in memory, any number of readers.

A thread follows Kafka and hands what it read to the event loop, one batch at a time. Readers keep
their own place and are woken together, so a reader costs no memory however slow it is, and a
change costs one encoding however many there are.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cdc.errors import CdcError
from cdc.feed.audience import Audience
from cdc.feed.change import Change
from cdc.feed.filter import Filter
from cdc.feed.follower import Follower, Posted
from cdc.feed.notes import LookUp, Notes
from cdc.feed.position import FeedPosition
from cdc.feed.ring import Ring
from cdc.feed.stop import StopFlag
from cdc.wire.records import Record
from cdc.wire.topic import OpenTail

MOST_READERS = 1_000
_TICK_SECONDS = 0.015
_TICK_SECONDS_PER_READER = 0.00025
"""Waking everybody costs by the reader: many readers get more changes at a time, less often."""
_PULSE_SECONDS = 0.1
LONGEST_CHUNK = 256_000
_NOTE_SECONDS = 0.4
_MOST_CHUNKS = 16
"""Portions that are kept for the next reader who asks, until something new comes."""
_LINGER_SECONDS = 30.0

Read = Callable[[Record], Change | None]


class Hub:
    """Follows the topic while anybody reads; lives in one event loop."""

    def __init__(
        self,
        open_tail: OpenTail,
        read: Read,
        stop: StopFlag,
        *,
        look_up: LookUp = lambda _: {},
        memory: Callable[[FeedPosition], Ring] = Ring,
        linger: float = _LINGER_SECONDS,
    ) -> None:
        self.open_tail, self.read = open_tail, read
        self.ring: Ring | None = None
        """None until Kafka has told where the topic ends."""
        self.away = ""
        """Why there are no changes now; empty while Kafka answers."""
        self.notes = Notes(look_up)
        self.readers = 0
        self.visible = 0
        """The number up to which readers read now: all of them get the same at a turn."""
        self._stop, self._memory, self._linger = stop, memory, linger
        self._news = asyncio.Event()
        self._follower: Follower | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._noting: asyncio.Task[None] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._empty_since: float | None = None
        self._chunks: dict[tuple[Audience, Filter, int], tuple[bytes, int]] = {}

    @property
    def closing(self) -> bool:
        """Whether the process has been asked to stop."""
        return self._stop.raised

    @property
    def full(self) -> bool:
        """Whether no reader more is served."""
        return self.readers >= MOST_READERS

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count one reader; the first one starts the tail, which outlives the last for a while."""
        self._stop.watch()
        self.readers += 1
        if self._follower is None:
            self._begin()
        try:
            yield
        finally:
            self.readers -= 1

    async def news(self, seconds: float) -> None:
        """Wait until something is new, but not longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def chunk(self, number: int, audience: Audience, wanted: Filter) -> tuple[bytes, int]:
        """Return the frames from a change on, and the number behind them; shared by all readers.

        Only for who has had exactly what stands before that change.
        """
        asked = (audience, wanted, number)
        found = self._chunks.get(asked)
        if found is None:
            found = self._joined(number, audience, wanted)
            if len(self._chunks) < _MOST_CHUNKS:
                self._chunks[asked] = found
        return found

    def end(self) -> None:
        """Let the tail go."""
        if self._follower is not None:
            self._follower.stop()
            self._follower = None

    def _joined(self, number: int, audience: Audience, wanted: Filter) -> tuple[bytes, int]:
        frames: list[bytes] = []
        length = 0
        for entry in self.ring.since(number) if self.ring else ():
            if number >= self.visible:
                break
            number += 1
            if not wanted or wanted.matches(entry.change, audience):
                data = entry.change.data[audience]
                frames += (entry.head, data, b"\n\n")
                length += len(data)
            if length > LONGEST_CHUNK:
                break
        return b"".join(frames), number

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ring, self.away, self._empty_since = None, "", None
        self._follower = Follower(self.open_tail, self.read, self._post, self._end)
        self._follower.start()
        self._loop.call_later(_PULSE_SECONDS, self._pulse, self._follower)
        self._noting = self._loop.create_task(self._note(self._follower))

    async def _note(self, follower: Follower) -> None:
        while self._follower is follower:
            await asyncio.sleep(_NOTE_SECONDS)
            if self.ring is not None and self.readers and await self.notes.look(self.ring):
                self._schedule()

    def _end(self) -> FeedPosition | None:
        return self.ring.end if self.ring else None

    def _post(self, follower: Follower, what: Posted) -> bool:
        """Hand something to the loop, from the follower's thread; False when nobody wants it."""
        loop, done = self._loop, threading.Event()
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(self._take, follower, what, done)
        except RuntimeError:  # the loop is closed
            return False
        while not done.wait(_PULSE_SECONDS):
            if follower.stopped or loop.is_closed():
                return False
        return True

    def _take(self, follower: Follower, what: Posted, done: threading.Event) -> None:
        done.set()
        if self._follower is not follower:
            return
        self.away = str(what) if isinstance(what, CdcError) else ""
        if isinstance(what, FeedPosition):
            if self.ring is None or self.ring.end != what:
                self._chunks.clear()
                self.ring = self._memory(what)
                self.visible = self.ring.next
        elif self.ring is not None and isinstance(what, list):
            for place, change in what:
                if change is None:
                    self.ring.skip(*place)
                else:
                    self.ring.add(change)
        self._schedule()

    def _schedule(self) -> None:
        if self._due is None and self._loop is not None:
            wait = _TICK_SECONDS + self.readers * _TICK_SECONDS_PER_READER
            self._due = self._loop.call_later(wait, self._tick)

    def _tick(self) -> None:
        self._due = None
        self._chunks.clear()
        self.visible = self.ring.next if self.ring else 0
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news.clear()

    def _pulse(self, follower: Follower) -> None:
        """Ten times a second: see whether all is to end, or nobody reads any more."""
        if self._follower is not follower or self._loop is None:
            return
        now = self._loop.time()
        if self.readers:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = now
        if self.closing:
            self._wake()
        if self.closing or (self._empty_since and now - self._empty_since > self._linger):
            self.end()
            return
        self._loop.call_later(_PULSE_SECONDS, self._pulse, follower)
