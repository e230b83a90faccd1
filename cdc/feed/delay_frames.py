"""Frames that report how long changes took to reach the replica, according to the history."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from cdc.feed.rendering import RenderedChange
from cdc.feed.ring import Ring
from cdc.feed.sse import message
from cdc.runtime.threads import attempt
from cdc.wire.event import Version

_MOST_PENDING = 1_000
_MOST_FRAMES = 50
_LONGEST_PAUSE = 8
_MOST_AT_START = 100
"""For a new ring, delays are reported for at most this number of its newest changes.

Most of these delays have been reported already.
"""
_MOST_KNOWN = 1_000

LookUp = Callable[[Sequence[Version]], Mapping[Version, float]]
"""Returns the delay in seconds of each change that has been applied.

The function raises a CdcError if the history cannot be read.
"""


class DelayFrames:
    """Keeps the latest frames that report delays. Each new frame has the next number.

    These frames do not change a reader's position. A reader that connects receives the frames that
    are kept. `report` returns older delays.
    """

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._frames: deque[bytes] = deque(maxlen=_MOST_FRAMES)
        self._pending: dict[Version, tuple[int, int]] = {}
        self._known: dict[Version, int] = {}
        """The latest delays that were found, in milliseconds."""
        self._number = 0
        self._failures = 0
        self.next = 0

    def begin(self, ring: Ring) -> None:
        """Continue with the newest changes of a new ring."""
        self._number = max(ring.next - _MOST_AT_START, ring.first)

    def since(self, number: int) -> Iterator[bytes]:
        """Yield the frames that are still in memory, starting at frame `number`."""
        first = self.next - len(self._frames)
        for index in range(max(number, first) - first, len(self._frames)):
            yield self._frames[index]

    async def update(self, ring: Ring) -> bool:
        """Look up the delays of new changes; return whether there is a new frame.

        If the lookup fails, the method waits before it returns. Each further failure makes the wait
        longer.
        """
        self._take(ring)
        if not self._pending:
            return False
        found: dict[Version, float] = {}
        error = await asyncio.to_thread(
            attempt, "delays", lambda: found.update(self._look_up(list(self._pending)))
        )
        if error is not None:
            self._failures += 1
            await asyncio.sleep(min(self._failures, _LONGEST_PAUSE))
            return False
        self._failures = 0
        delays = [
            (*self._pending.pop(version), self._remembered(version, seconds))
            for version, seconds in found.items()
            if version in self._pending
        ]
        if delays:
            self._frames.append(message("applied", changes=delays))
            self.next += 1
        return bool(delays)

    def report(self, changes: Iterable[RenderedChange]) -> bytes:
        """Return a frame with the delays of these changes, as far as they are known.

        The next frames report the other delays. The changes need not be in the ring.
        """
        delays = []
        for change in changes:
            known = self._known.get(change.version) if change.version else None
            if known is None:
                self._expect(change)
            else:
                delays.append((change.partition, change.offset, known))
        return message("applied", changes=delays) if delays else b""

    def _remembered(self, version: Version, seconds: float) -> int:
        """Return a delay in milliseconds, and remember it; old delays are forgotten."""
        self._known[version] = round(seconds * 1000)
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return self._known[version]

    def _expect(self, change: RenderedChange) -> None:
        if change.version:
            self._pending[change.version] = (change.partition, change.offset)

    def _take(self, ring: Ring) -> None:
        """Add the ring's new changes; drop the oldest pending changes if there are too many."""
        start = self._number if ring.first <= self._number <= ring.next else ring.first
        for entry in ring.since(start):
            self._expect(entry.change)
        self._number = ring.next
        for version in list(self._pending)[:-_MOST_PENDING]:
            del self._pending[version]
