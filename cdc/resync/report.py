"""The report of a reconciliation."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from cdc.resync.comparison import Difference, DifferenceKind

MOST_KEYS = 1_000
"""The maximum number of keys listed for each kind and collection; all keys are counted."""


@dataclass(slots=True, kw_only=True)
class DifferingKeys:
    """The documents of one collection that differ from their rows in the same way."""

    count: int = 0
    keys: list[Any] = field(default_factory=list)
    """The first `MOST_KEYS` keys."""

    def add(self, key: Any) -> None:
        self.count += 1
        if len(self.keys) < MOST_KEYS:
            self.keys.append(key)


@dataclass(slots=True, kw_only=True)
class CollectionReport:
    """The differences between one collection and its table."""

    collection: str
    documents: int = 0
    """The number of documents that were searched for orphans."""
    missing: DifferingKeys = field(default_factory=DifferingKeys)
    stale: DifferingKeys = field(default_factory=DifferingKeys)
    extra: DifferingKeys = field(default_factory=DifferingKeys)

    def of(self, kind: DifferenceKind) -> DifferingKeys:
        return {
            DifferenceKind.MISSING: self.missing,
            DifferenceKind.STALE: self.stale,
            DifferenceKind.EXTRA: self.extra,
        }[kind]


@dataclass(slots=True, kw_only=True)
class TableReport:
    """The differences between a table and its collections, updated while the comparison runs."""

    table: str
    collections: list[CollectionReport]
    rows: int = 0
    """The number of rows that were compared."""
    repaired: int = 0
    """The number of keys that were resent and then matched."""
    unrepaired: int = 0
    """The number of keys that still differ after they were resent, or that cannot be sent."""

    def add(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            self._collection(difference.collection).of(difference.kind).add(difference.key)

    def count_documents(self, collection: str, documents: int) -> None:
        self._collection(collection).documents += documents

    def _collection(self, name: str) -> CollectionReport:
        return next(each for each in self.collections if each.collection == name)

    @property
    def different(self) -> int:
        """The number of documents that differed."""
        return sum(each.of(kind).count for each in self.collections for kind in DifferenceKind)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON shape."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TableReport":
        """Return the report whose `as_json()` is `value`."""
        collections = [_collection(each) for each in value["collections"]]
        return cls(**{**value, "collections": collections})

    def lines(self) -> list[str]:
        """Return the report as text, one line per collection and kind of difference."""
        lines = []
        for each in self.collections:
            for kind in DifferenceKind:
                found = each.of(kind)
                if found.count:
                    first = ", ".join(map(str, found.keys[:20]))
                    more = ", …" if found.count > 20 else ""  # noqa: PLR2004 -- a line's worth
                    lines.append(f"{each.collection}: {found.count} {kind}: {first}{more}")
        return lines


def new_report(table: str, collections: Iterable[str]) -> TableReport:
    """Return an empty report."""
    return TableReport(
        table=table, collections=[CollectionReport(collection=name) for name in collections]
    )


def _collection(value: dict[str, Any]) -> CollectionReport:
    kinds: dict[str, Any] = {
        kind.value: DifferingKeys(**value[kind.value]) for kind in DifferenceKind
    }
    return CollectionReport(**{**value, **kinds})
