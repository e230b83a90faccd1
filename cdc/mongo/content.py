"""What a document holds, compared to the bit."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import bson
from bson.codec_options import CodecOptions

from cdc.mongo.plan import Document
from cdc.wire.event import Version

_VERSION = ("_epoch", "_version")
# Text that is none is a difference, not an error.
_OPTIONS: CodecOptions[Document] = CodecOptions(
    tz_aware=True, unicode_decode_error_handler="replace"
)
_KINDS: tuple[type, ...] = (bool, int, float, str, datetime, dict, list)


class Held:
    """A document of the replica, as bytes and as what they say."""

    __slots__ = ("_document", "_raw", "key", "version")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._document = bson.decode(raw, _OPTIONS)
        self.key: Any = self._document["_id"]
        self.version = version_of(self._document.get("_epoch"), self._document.get("_version"))
        """None when a stranger wrote it without one."""

    def holds(self, wanted: "Content") -> bool:
        """Return whether it has a version and `wanted` beside it, nothing else."""
        if self.version is None:
            return False
        if wanted.encoded(self.version) == self._raw:
            return True
        # Equal values may be written in another order, or a number in another width.
        found = {name: value for name, value in self._document.items() if name not in _VERSION}
        return _same(found, wanted.decoded())


def split(batch: bytes) -> Iterator[bytes]:
    """Yield the documents of a raw batch; each begins with its own size (bsonspec.org)."""
    place = 0
    while place < len(batch):
        size = int.from_bytes(batch[place : place + 4], "little")
        yield batch[place : place + size]
        place += size


class Content:
    """What a row's document has to hold, besides its version."""

    __slots__ = ("_document", "_encoded")

    def __init__(self, document: Document) -> None:
        self._document = document
        self._encoded: tuple[Version, bytes] | None = None

    def encoded(self, version: Version) -> bytes:
        """Return the bytes of the document that the consumer would write at `version`."""
        if self._encoded is None or self._encoded[0] != version:
            ends = {"_epoch": version.epoch, "_version": version.outbox_id}
            self._encoded = (version, bson.encode({**self._document, **ends}))
        return self._encoded[1]

    def decoded(self) -> Document:
        """Return the document as MongoDB gives it back: its times have milliseconds."""
        return bson.decode(bson.encode(self._document), _OPTIONS)


def version_of(epoch: Any, outbox_id: Any) -> Version | None:
    """Return the version that a document carries; None for one that a stranger wrote without."""
    if isinstance(epoch, int) and isinstance(outbox_id, int):
        return Version(epoch, outbox_id)
    return None


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of one sort: 1, 1.0 and true are three."""
    if _kind(one) is not _kind(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _kind(value: Any) -> type:
    return next((kind for kind in _KINDS if isinstance(value, kind)), type(value))
