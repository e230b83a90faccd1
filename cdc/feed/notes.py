"""How long changes took to the replica, told to everybody once the history knows."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from cdc.errors import CdcError
from cdc.feed.ring import Ring
from cdc.feed.sse import message
from cdc.wire.event import Version

_MOST_WAITING = 1_000
_MOST_NOTES = 50
_LONGEST_PAUSE = 8

LookUp = Callable[[Sequence[Version]], Mapping[Version, float]]
"""Returns the delays, in seconds, of those changes that have been applied; raises CdcError."""


class Notes:
    """The last frames that tell of delays, each with a number that only rises.

    They are not part of anybody's place: who was away when one was told does without it.
    """

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._frames: deque[bytes] = deque(maxlen=_MOST_NOTES)
        self._waiting: dict[Version, tuple[int, int]] = {}
        self._number = 0
        self._failures = 0
        self.next = 0

    def since(self, number: int) -> Iterator[bytes]:
        """Return the frames from a number on, as far as they are held."""
        first = self.next - len(self._frames)
        for index in range(max(number, first) - first, len(self._frames)):
            yield self._frames[index]

    async def look(self, ring: Ring) -> bool:
        """Ask for what was read since; return whether there is something to tell.

        While the history does not answer it is asked more seldom.
        """
        self._take(ring)
        if not self._waiting:
            return False
        try:
            found = await asyncio.to_thread(self._look_up, list(self._waiting))
        except CdcError:
            self._failures += 1
            await asyncio.sleep(min(self._failures, _LONGEST_PAUSE))
            return False
        self._failures = 0
        places = [
            (*self._waiting.pop(version), round(seconds * 1000))
            for version, seconds in found.items()
            if version in self._waiting
        ]
        if places:
            self._frames.append(message("applied", changes=places))
            self.next += 1
        return bool(places)

    def _take(self, ring: Ring) -> None:
        """Note what stands in the ring since the last look; the oldest that wait make room."""
        start = self._number if ring.first <= self._number <= ring.next else ring.first
        for entry in ring.since(start):
            change = entry.change
            if change.version:
                self._waiting[change.version] = (change.partition, change.offset)
        self._number = ring.next
        for version in list(self._waiting)[:-_MOST_WAITING]:
            del self._waiting[version]
