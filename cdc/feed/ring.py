"""The last changes, in memory: bounded by number and by bytes, however slowly they are read."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from cdc.feed.change import Change
from cdc.feed.position import FeedPosition
from cdc.feed.sse import change_head

MOST_CHANGES = 4_000
MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A change and the position behind it."""

    change: Change
    position: FeedPosition
    head: bytes = b""
    """The beginning of its frame, made once for all readers."""


class Ring:
    """Changes in the order in which they were read, each with a number that only rises.

    Readers keep numbers of their own and ask; nothing is kept for any of them.
    """

    def __init__(
        self, start: FeedPosition, *, changes: int = MOST_CHANGES, bytes_: int = MOST_BYTES
    ) -> None:
        self.start = self.end = start
        """Positions before the first change that is held, and behind the last record that was."""
        self.first = self.next = 0
        """Numbers of the first change that is held, and of the next one."""
        self.bytes = 0
        self._entries: deque[Entry] = deque()
        self._most_changes, self._most_bytes = changes, bytes_

    def add(self, change: Change) -> None:
        """Add the next change; the oldest make room for it."""
        self.end = self.end.after(change.partition, change.offset)
        self._entries.append(Entry(change, self.end, change_head(self.end)))
        self.next += 1
        self.bytes += change.size
        while len(self._entries) > self._most_changes or self.bytes > self._most_bytes:
            self._forget()

    def skip(self, partition: int, offset: int) -> None:
        """Move on behind a record that shows nothing."""
        self.end = self.end.after(partition, offset)

    def number_at(self, position: FeedPosition) -> int | None:
        """Return the number of the change behind a position that readers of the ring have had."""
        if position == self.end:
            return self.next
        numbers = range(self.next - 1, self.first - 1, -1)
        for number, entry in zip(numbers, reversed(self._entries), strict=True):
            if entry.position == position:
                return number + 1
        return self.first if position == self.start else None

    def position_before(self, number: int) -> FeedPosition:
        """Return the position of who has had everything before a change that is held."""
        if number == self.first:
            return self.start
        return self._entries[number - 1 - self.next].position

    def since(self, number: int) -> Iterator[Entry]:
        """Return the changes from a number on."""
        if number == self.next:
            return
        # From the nearer end: who is up to date asks for the last few only.
        for index in range(max(number, self.first) - self.next, 0):
            yield self._entries[index]

    def _forget(self) -> None:
        gone = self._entries.popleft()
        self.first += 1
        self.bytes -= gone.change.size
        self.start = gone.position
