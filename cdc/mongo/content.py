"""Compares documents with rows, including the BSON types, and converts documents to JSON."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.dbref import DBRef
from bson.decimal128 import Decimal128

from cdc.mongo.plan import Document
from cdc.wire.event import Version

LATEST = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
"""The last millisecond that Python can represent; MongoDB can store later times."""
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
"""The first time that Python can represent; MongoDB can store earlier times."""
_VERSION = ("_epoch", "_version")
# Invalid UTF-8 and dates after the year 9999 are differences. They must not raise errors.
_OPTIONS: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_TYPES: tuple[type, ...] = (bool, int, float, str, datetime, dict, list)


class Held:
    """A document of the replica, both as bytes and in decoded form."""

    __slots__ = ("_document", "_raw", "key", "version")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._document = bson.decode(raw, _OPTIONS)
        self.key: Any = comparable(self._document["_id"])
        self.version = version_of(self._document.get("_epoch"), self._document.get("_version"))
        """None if the document has no version, because another program wrote it."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The decoded document."""
        return self._document

    def holds(self, wanted: "Content") -> bool:
        """Return whether the document has a version, and its other fields equal `wanted`."""
        if self.version is None:
            return False
        if wanted.encoded(self.version) == self._raw:
            return True
        # The field order or the width of an integer may differ although the values are equal.
        found = {name: value for name, value in self._document.items() if name not in _VERSION}
        return same(found, wanted.decoded())


def split(batch: bytes) -> Iterator[bytes]:
    """Yield the documents of a raw batch; each document begins with its size (bsonspec.org)."""
    start = 0
    while start < len(batch):
        size = int.from_bytes(batch[start : start + 4], "little")
        yield batch[start : start + size]
        start += size


class Content:
    """The document that a row should have, without its version."""

    __slots__ = ("_document", "_encoded")

    def __init__(self, document: Document) -> None:
        self._document = document
        self._encoded: tuple[Version, bytes] | None = None

    def encoded(self, version: Version) -> bytes:
        """Return the bytes of the document at `version`, as the consumer would write them."""
        if self._encoded is None or self._encoded[0] != version:
            fields = {"_epoch": version.epoch, "_version": version.outbox_id}
            self._encoded = (version, bson.encode({**self._document, **fields}))
        return self._encoded[1]

    def decoded(self) -> Document:
        """Return the document as MongoDB would return it: its times have millisecond precision."""
        return bson.decode(bson.encode(self._document), _OPTIONS)


def version_of(epoch: Any, outbox_id: Any) -> Version | None:
    """Return a document's version, or None if one of the two fields is not an integer."""
    if _type_of(epoch) is int and _type_of(outbox_id) is int:
        return Version(epoch, outbox_id)
    return None


def comparable(key: Any) -> Any:
    """Convert a key so that equal numbers of different types compare as equal, as in MongoDB."""
    return key.to_decimal() if isinstance(key, Decimal128) else key


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of the same type: 1, 1.0 and true differ."""
    if _type_of(one) is not _type_of(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def as_stored(value: Any) -> Any:
    """Return a value as MongoDB returns it after a write.

    Times then have millisecond precision, and an object with the keys `$ref` and `$id` is a
    `DBRef`.
    """
    return bson.decode(bson.encode({"value": value}), _OPTIONS)["value"]


def _type_of(value: Any) -> type:
    return next((each for each in _TYPES if isinstance(value, each)), type(value))


def as_json(value: Any) -> Any:
    """Convert a value to types that JSON can represent; a value of another type becomes text."""
    if isinstance(value, DBRef):  # an object with the keys `$ref` and `$id`
        value = value.as_doc()
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if value is None or isinstance(value, bool | float):
        return value
    return int(value) if isinstance(value, int) else str(value)


def seconds_between(item: Mapping[str, Any], first: str, last: str) -> float | None:
    """Return the seconds between two fields of a document, or None if one is not a date."""
    begun, ended = item.get(first), item.get(last)
    if isinstance(begun, datetime) and isinstance(ended, datetime):
        return (ended - begun).total_seconds()
    return None


def only_dates(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a history document; `at` and `applied_at` are removed if they are not dates.

    `applied_at` is also removed if `at` is missing or not a date.
    """
    kept = dict(item)
    if not isinstance(kept.get("at"), datetime):
        kept.pop("at", None)
    if seconds_between(kept, "at", "applied_at") is None:
        kept.pop("applied_at", None)
    return kept
