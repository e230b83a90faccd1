"""Compares rows with documents, and confirms differences after changes in transit have arrived."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cdc.capture.images import Images, read_images
from cdc.errors import Refused, Rejected
from cdc.mongo.content import Content, Held
from cdc.mongo.plan import content
from cdc.mongo.reader import ReplicaReader
from cdc.registry import Capture

_ATTEMPTS = 10
"""The maximum number of checks of a row that keeps changing; the row then counts as equal.

Every change writes the whole document, and therefore removes any earlier difference.
"""
_UNREADABLE = None

Wanted = Mapping[Any, Content | None]
"""The expected documents of rows, by key; None for a row that cannot be sent."""
Documents = Mapping[str, Mapping[Any, Held]]
"""Documents by collection and key."""


class DifferenceKind(StrEnum):
    """How a document differs from its row."""

    MISSING = "missing"
    """A row without a document."""
    STALE = "stale"
    """The document differs from the row."""
    EXTRA = "extra"
    """A document without a row."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that does not match its row."""

    collection: str
    kind: DifferenceKind
    key: Any


class Comparison:
    """Compares the rows of one table with the documents of its collections, by key.

    Changes in transit are not differences. To confirm a difference, the comparison reads the
    documents and then the rows, waits until all committed changes are applied, and reads the
    documents again. The difference is confirmed if the document still has the same version and
    still does not match the row.
    """

    def __init__(
        self, capture: Capture, reader: ReplicaReader, wait: Callable[[], None], *, using: str
    ) -> None:
        """`wait` must return only when every change that is already committed has been applied."""
        self._capture = capture
        self._reader = reader
        self._wait = wait
        self._using = using

    def suspects(self, images: Images) -> list[Any]:
        """Return the keys of rows whose document is missing or different in a collection.

        A row whose key cannot be encoded is not compared, because no document can have its key.
        """
        wanted = self._contents(images)
        keys = list(wanted)
        documents = self._documents(keys)
        return [key for key in keys if self._differing(key, wanted, documents)]

    def confirmed(self, keys: Iterable[Any], *, gone: bool) -> list[Difference]:
        """Return the confirmed differences of the documents with these keys.

        With `gone`, only keys without a row are compared; otherwise, only keys with a row.
        """
        found: list[Difference] = []
        left = list(keys)
        for _ in range(_ATTEMPTS):
            before = self._documents(left)
            wanted = self._rows(left)
            left = [key for key in left if (key in wanted) is not gone]
            left = [key for key in left if self._differing(key, wanted, before)]
            if not left:
                break
            self._wait()
            after = self._documents(left)
            still = self._rows(left)
            moving = []
            for key in left:
                if (key in still) is gone:
                    continue
                differing = self._differing(key, wanted, after)
                if any(_version(before, each) != _version(after, each) for each in differing):
                    moving.append(key)
                else:
                    found += differing
            left = moving
        return found

    def _differing(self, key: Any, wanted: Wanted, documents: Documents) -> list[Difference]:
        found = []
        for collection, held in documents.items():
            kind = _kind(key, wanted, held)
            if kind is not None:
                found.append(Difference(collection, kind, key))
        return found

    def _documents(self, keys: Sequence[Any]) -> Documents:
        return self._reader.held(self._capture.collections, keys)

    def _rows(self, keys: Sequence[Any]) -> Wanted:
        rows = [self._capture.key_from_wire(key) for key in keys]
        return self._contents(read_images(self._capture, rows, using=self._using))

    def _contents(self, images: Images) -> Wanted:
        """Return the expected documents of the rows whose keys are valid."""
        found = {}
        for key, image in images.items():
            with suppress(Refused):
                found[self._capture.key_to_wire(key)] = self._content(image)
        return found

    def _content(self, image: Mapping[str, Any]) -> Content | None:
        """Return the document that the consumer would write for the row."""
        capture = self._capture
        try:
            row = capture.wire_row(image)
            return Content(content(row[capture.key.name], row, capture.columns))
        except (Refused, Rejected):
            return _UNREADABLE


def _kind(key: Any, wanted: Wanted, held: Mapping[Any, Held]) -> DifferenceKind | None:
    if key not in wanted:
        return DifferenceKind.EXTRA if key in held else None
    if key not in held:
        return DifferenceKind.MISSING
    content_of_row = wanted[key]
    same = content_of_row is not None and held[key].holds(content_of_row)
    return None if same else DifferenceKind.STALE


def _version(documents: Documents, difference: Difference) -> Any:
    held = documents[difference.collection].get(difference.key)
    return None if held is None else held.version
