"""What a reconciliation found."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from cdc.resync.comparison import Difference, Kind

MOST_KEYS = 1_000
"""Keys that are listed of one kind in one collection; all are counted."""


@dataclass(slots=True, kw_only=True)
class Found:
    """Documents of one collection that differ in one way."""

    count: int = 0
    keys: list[Any] = field(default_factory=list)
    """The first `MOST_KEYS` of them."""

    def add(self, key: Any) -> None:
        """Count a key and list it while there is room."""
        self.count += 1
        if len(self.keys) < MOST_KEYS:
            self.keys.append(key)


@dataclass(slots=True, kw_only=True)
class CollectionReport:
    """How one collection differs from its table."""

    collection: str
    documents: int = 0
    """Documents that were read."""
    missing: Found = field(default_factory=Found)
    stale: Found = field(default_factory=Found)
    extra: Found = field(default_factory=Found)

    def of(self, kind: Kind) -> Found:
        """Return what was found of one kind."""
        return {Kind.MISSING: self.missing, Kind.STALE: self.stale, Kind.EXTRA: self.extra}[kind]


@dataclass(slots=True, kw_only=True)
class TableReport:
    """How a table's collections differ from it, as far as they have been compared."""

    table: str
    collections: list[CollectionReport]
    rows: int = 0
    """Rows that were compared."""
    repaired: int = 0
    """Keys that were sent again and then found equal."""
    unrepaired: int = 0
    """Keys that were sent again in vain, or cannot be sent."""

    def add(self, differences: Iterable[Difference]) -> None:
        """Count differences."""
        for difference in differences:
            self._collection(difference.collection).of(difference.kind).add(difference.key)

    def passed(self, collection: str, documents: int) -> None:
        """Count documents that were read."""
        self._collection(collection).documents += documents

    def _collection(self, name: str) -> CollectionReport:
        return next(each for each in self.collections if each.collection == name)

    @property
    def different(self) -> int:
        """Return how many documents differed."""
        return sum(each.of(kind).count for each in self.collections for kind in Kind)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON shape."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TableReport":
        """Return what `as_json` was made of."""
        collections = [_collection(each) for each in value["collections"]]
        return cls(**{**value, "collections": collections})

    def lines(self) -> list[str]:
        """Return the report for people: a line for each collection and kind that was found."""
        lines = []
        for each in self.collections:
            for kind in Kind:
                found = each.of(kind)
                if found.count:
                    first = ", ".join(map(str, found.keys[:20]))
                    more = ", …" if found.count > 20 else ""  # noqa: PLR2004 -- a line's worth
                    lines.append(f"{each.collection}: {found.count} {kind}: {first}{more}")
        return lines


def new_report(table: str, collections: Iterable[str]) -> TableReport:
    """Return the report of a comparison that has not begun."""
    return TableReport(
        table=table, collections=[CollectionReport(collection=name) for name in collections]
    )


def _collection(value: dict[str, Any]) -> CollectionReport:
    kinds: dict[str, Any] = {kind.value: Found(**value[kind.value]) for kind in Kind}
    return CollectionReport(**{**value, **kinds})
