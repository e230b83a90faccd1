"""A reader's position in the feed: the next offset of each partition, as one short text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2s
from typing import Self

from cdc.errors import Rejected
from cdc.wire.topic import TopicBounds

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LARGEST = 2**63 - 1
_LONGEST = 8_192
_TEXT = re.compile(r"[0-9a-f]{8}(\.[0-9a-z]{1,13})+\Z", re.ASCII)


def tag_of(topic: str, topic_id: str) -> str:
    """Return a tag that identifies a topic; a recreated topic has a different tag."""
    return blake2s(f"{topic}\n{topic_id}".encode(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """A position in the topic, which is also the id of an event in the stream.

    A reader with this position has received all records before the position.
    """

    tag: str
    offsets: tuple[int, ...]
    """The next offset of each partition, indexed by partition number."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position that a browser sent. Raise Rejected if `text` is not a position."""
        if len(text) > _LONGEST or not _TEXT.match(text):
            raise Rejected(
                "The address contains an invalid position in the feed: open the page without it."
            )
        tag, *numbers = text.split(".")
        offsets = tuple(int(number, 36) for number in numbers)
        if max(offsets) > _LARGEST:
            raise Rejected("The address contains a position in the feed with an invalid offset.")
        return cls(tag, offsets)

    def __str__(self) -> str:
        return ".".join((self.tag, *map(_base36, self.offsets)))

    def after(self, partition: int, offset: int) -> Self:
        """Return the position after a record."""
        return self.moved({partition: offset + 1})

    def moved(self, offsets: Mapping[int, int]) -> Self:
        """Return the position with these next offsets; other partitions keep their offsets."""
        merged = tuple(offsets.get(number, held) for number, held in enumerate(self.offsets))
        return type(self)(self.tag, merged)

    def covers(self, other: "FeedPosition") -> bool:
        """Return whether everything before `other` is also before this position."""
        same = self.tag == other.tag and len(self.offsets) == len(other.offsets)
        return same and all(
            mine >= its for mine, its in zip(self.offsets, other.offsets, strict=True)
        )

    def missing_to(self, other: "FeedPosition") -> int:
        """Return the number of records that are before `other` but not before this position."""
        pairs = zip(self.offsets, other.offsets, strict=True)
        return sum(max(its - mine, 0) for mine, its in pairs)

    def fitted(self, to: "FeedPosition") -> "FeedPosition | None":
        """Return this position with the partitions of `to`; new partitions start at offset 0.

        Return None if the two positions belong to different topics.
        """
        missing = len(to.offsets) - len(self.offsets)
        if self.tag != to.tag or missing < 0:
            return None
        return FeedPosition(self.tag, (*self.offsets, *(0,) * missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedBounds:
    """The first position and the end of a topic."""

    first: FeedPosition
    end: FeedPosition

    @classmethod
    def of(cls, bounds: TopicBounds) -> Self:
        tag = tag_of(bounds.topic, bounds.topic_id)
        return cls(first=FeedPosition(tag, bounds.first), end=FeedPosition(tag, bounds.end))

    def held(self, asked: FeedPosition | None) -> FeedPosition | None:
        """Return a position, limited to the offsets that the topic has.

        Return None if the position belongs to a different topic.
        """
        fitted = asked.fitted(self.end) if asked else None
        if fitted is None:
            return None
        limits = zip(fitted.offsets, self.first.offsets, self.end.offsets, strict=True)
        return FeedPosition(fitted.tag, tuple(min(max(at, low), high) for at, low, high in limits))


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
