"""The hub, through which all readers of one process share one tail of the topic.

A thread follows Kafka and passes batches of changes to the event loop. The hub keeps the latest
changes in memory. Each reader keeps only its own position, and all readers are woken together. A
slow reader therefore needs no memory of its own, and each change is encoded only once.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cdc.audience import Audience
from cdc.errors import CdcError
from cdc.feed.delay_frames import DelayFrames, LookUp
from cdc.feed.filter import Filter
from cdc.feed.follower import Batch, Follower, Posted, Render, Start
from cdc.feed.position import FeedPosition
from cdc.feed.ring import Ring
from cdc.runtime.stop import StopFlag
from cdc.wire.topic import OpenTail

_TICK_SECONDS = 0.015
"""A tick wakes the readers; it comes at least this long after the first change that it reports."""
_TICK_SECONDS_PER_READER = 0.00025
"""Waking a reader takes time. If there are many readers, they are woken less often and get more
changes at once."""
_GROUPS = 32
"""Readers are woken in this number of groups, so that pages are served between two groups."""
_CHECK_SECONDS = 0.1
LONGEST_CHUNK = 256_000
"""A chunk of frames ends after more than this number of bytes."""
_DELAY_SECONDS = 0.4
_MOST_CHUNKS = 16
"""The maximum number of chunks that are cached for other readers until the next tick."""
_LINGER_SECONDS = 30.0
_RECENT_RECORDS = 2_000
"""At the start, up to this number of the topic's last records are read into memory.

After a restart of the process, all readers come back at once, and most of them missed only a few
changes. They get these changes from memory; otherwise, each of them would read the topic.
"""


class Hub:
    """Follows the topic while there are readers; belongs to one event loop."""

    def __init__(
        self,
        open_tail: OpenTail,
        render: Render,
        stop: StopFlag,
        *,
        look_up: LookUp = lambda _: {},
        memory: Callable[[FeedPosition], Ring] = Ring,
        linger: float = _LINGER_SECONDS,
        recent: int = _RECENT_RECORDS,
    ) -> None:
        self.open_tail, self.render = open_tail, render
        self.ring: Ring | None = None
        """None until the end of the topic is known."""
        self.error = ""
        """The reason why no changes arrive; empty while Kafka is responding."""
        self.delays = DelayFrames(look_up)
        self.readers = 0
        self.crowd = 0
        """The number of readers or, while the process stops, the number before the stop."""
        self.turn = 0
        """The number of times that the readers have been woken."""
        self.visible = 0
        """Until the next tick, readers see only changes below this number, so that they can share
        rendered chunks."""
        self._stop, self._memory, self._linger = stop, memory, linger
        self._recent = recent
        self._news = [asyncio.Event() for _ in range(_GROUPS)]
        self._arrivals = 0
        self._follower: Follower | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delays_task: asyncio.Task[None] | None = None
        self._next_tick: asyncio.TimerHandle | None = None
        self._empty_since: float | None = None
        self._chunks: dict[tuple[Audience, Filter, int], tuple[bytes, int]] = {}

    @property
    def closing(self) -> bool:
        """Whether a signal has asked the process to stop."""
        return self._stop.raised

    @contextmanager
    def reading(self) -> Iterator[int]:
        """Count a reader inside the block. Return the number of its group.

        The first reader starts the tail. The tail is closed when there have been no readers for
        `linger` seconds.
        """
        self._stop.watch()
        self._count(1)
        if self._follower is None:
            self._begin()
        self._arrivals += 1
        try:
            yield self._arrivals % _GROUPS
        finally:
            self._count(-1)

    async def news(self, seconds: float, seen: int | None = None, group: int = 0) -> None:
        """Wait until there is something new for the readers, for at most `seconds`.

        Return immediately if the readers have been woken since turn `seen`.
        """
        if self.closing or seen not in {None, self.turn}:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._news[group].wait()
        except TimeoutError:
            return

    def chunk(self, number: int, audience: Audience, wanted: Filter) -> tuple[bytes, int]:
        """Return the frames that start at change `number`, and the number of the next change.

        Readers with the same filter share the chunk. A reader may call this method only if it has
        received every change before `number`.
        """
        key = (audience, wanted, number)
        found = self._chunks.get(key)
        if found is None:
            found = self._joined(number, audience, wanted)
            if len(self._chunks) < _MOST_CHUNKS:
                self._chunks[key] = found
        return found

    def end(self) -> None:
        """Stop following the topic."""
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

    def _count(self, change: int) -> None:
        self.readers += change
        if not self.closing:
            self.crowd = self.readers

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ring, self.error, self._empty_since = None, "", None
        self._follower = Follower(self.open_tail, self.render, self._post, self._end, self._recent)
        self._follower.start()
        self._loop.call_later(_CHECK_SECONDS, self._check, self._follower)
        self._delays_task = self._loop.create_task(self._report_delays(self._follower))

    async def _report_delays(self, follower: Follower) -> None:
        while self._follower is follower:
            await asyncio.sleep(_DELAY_SECONDS)
            if self.ring is not None and self.readers and await self.delays.update(self.ring):
                self._schedule_tick()

    def _end(self) -> FeedPosition | None:
        return self.ring.end if self.ring else None

    def _post(self, follower: Follower, posted: Posted) -> bool:
        """Pass an object from the follower's thread to the event loop; return whether it arrived.

        The thread waits until the loop has taken the object. Objects therefore cannot accumulate
        between the thread and the loop.
        """
        loop, done = self._loop, threading.Event()
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(self._take, follower, posted, done)
        except RuntimeError:  # The loop is closed.
            return False
        while not done.wait(_CHECK_SECONDS):
            if follower.stopped or loop.is_closed():
                return False
        return True

    def _take(self, follower: Follower, posted: Posted, done: threading.Event) -> None:
        done.set()
        if self._follower is not follower:
            return
        self.error = str(posted) if isinstance(posted, CdcError) else ""
        if isinstance(posted, Start):
            if self.ring is None or self.ring.end != posted.position:
                self._chunks.clear()
                self.ring = self._memory(posted.position)
                _add(posted.recent, self.ring)
                self.delays.begin(self.ring)
                self.visible = self.ring.next
        elif self.ring is not None and isinstance(posted, list):
            _add(posted, self.ring)
        self._schedule_tick()

    def _schedule_tick(self) -> None:
        if self._next_tick is None and self._loop is not None:
            wait = _TICK_SECONDS + self.readers * _TICK_SECONDS_PER_READER
            self._next_tick = self._loop.call_later(wait, self._tick)

    def _tick(self) -> None:
        self._next_tick = None
        self._chunks.clear()
        self.visible = self.ring.next if self.ring else 0
        # The groups are woken during the first half of the time until the next tick.
        self._wake(self.readers * _TICK_SECONDS_PER_READER / 2 / _GROUPS)

    def _wake(self, step: float = 0.0) -> None:
        """Wake the readers, one group every `step` seconds."""
        self.turn += 1
        for number, event in enumerate(self._news):
            if number and step and self._loop:
                self._loop.call_later(number * step, _set_and_clear, event)
            else:
                _set_and_clear(event)

    def _check(self, follower: Follower) -> None:
        """End the tail if the process is stopping, or if there have been no readers for a while.

        This check runs ten times per second.
        """
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
        self._loop.call_later(_CHECK_SECONDS, self._check, follower)


def _add(batch: Batch, ring: Ring) -> None:
    for place, change in batch:
        if change is None:
            ring.skip(*place)
        else:
            ring.add(change)


def _set_and_clear(event: asyncio.Event) -> None:
    event.set()
    event.clear()
