"""The latest changes in memory, bounded in number and in bytes."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from cdc.feed.position import FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.feed.sse import change_head

MOST_CHANGES = 4_000
MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class RingEntry:
    """A change and the position after it."""

    change: RenderedChange
    position: FeedPosition
    head: bytes = b""
    """The start of the change's frame, encoded once for all readers."""


class Ring:
    """Changes in the order in which they were read, with increasing numbers.

    Each reader remembers the number of its next change; the ring stores nothing for readers.
    """

    def __init__(
        self, start: FeedPosition, *, changes: int = MOST_CHANGES, bytes_: int = MOST_BYTES
    ) -> None:
        self.start = self.end = start
        """`start` is the position before the oldest change in the ring; `end` is the position
        after the last record that was read."""
        self.first = self.next = 0
        """The number of the oldest change in the ring, and the number of the next new change."""
        self.bytes = 0
        self._entries: deque[RingEntry] = deque()
        self._most_changes, self._most_bytes = changes, bytes_

    def add(self, change: RenderedChange) -> None:
        """Add the next change; drop the oldest changes to stay within the bounds."""
        self.end = self.end.after(change.partition, change.offset)
        self._entries.append(RingEntry(change, self.end, change_head(self.end)))
        self.next += 1
        self.bytes += change.size
        while len(self._entries) > self._most_changes or self.bytes > self._most_bytes:
            self._drop_oldest()

    def skip(self, partition: int, offset: int) -> None:
        """Move the end past a record that has no change to show."""
        self.end = self.end.after(partition, offset)

    def number_at(self, position: FeedPosition) -> int | None:
        """Return the number of the change after a position.

        Return None if the ring does not contain this position.
        """
        if position == self.end:
            return self.next
        numbers = range(self.next - 1, self.first - 1, -1)
        for number, entry in zip(numbers, reversed(self._entries), strict=True):
            if entry.position == position:
                return number + 1
        return self.first if position == self.start else None

    def position_before(self, number: int) -> FeedPosition:
        """Return the position before a change in the ring, or before the next new change."""
        if number == self.first:
            return self.start
        return self._entries[number - 1 - self.next].position

    def since(self, number: int) -> Iterator[RingEntry]:
        """Yield the changes, starting at `number`."""
        if number == self.next:
            return
        # A deque is fast at both ends, and most readers want only the last few changes.
        for index in range(max(number, self.first) - self.next, 0):
            yield self._entries[index]

    def _drop_oldest(self) -> None:
        dropped = self._entries.popleft()
        self.first += 1
        self.bytes -= dropped.change.size
        self.start = dropped.position
