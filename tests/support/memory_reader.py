"""A replica reader for the documents of MongoDB's in-memory twin."""

from collections.abc import Iterable, Sequence
from typing import Any

import bson

from cdc.mongo.content import Held
from cdc.mongo.reader import ReplicaReader
from cdc.testing.twins import MemoryStore


class MemoryReader(ReplicaReader):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def held(self, collections: Iterable[str], keys: Sequence[Any]) -> dict[str, dict[Any, Held]]:
        return {name: self._held_in(name, keys) for name in collections}

    def keys(self, collection: str, keys: Sequence[Any]) -> set[Any]:
        return set(keys) & set(self._store.collection(collection))

    def keys_after(self, collection: str, last: Any, limit: int) -> list[Any]:
        ordered = sorted(self._store.collection(collection), key=mongodb_order)
        following = [
            key for key in ordered if last is None or mongodb_order(key) > mongodb_order(last)
        ]
        return following[:limit]

    def _held_in(self, collection: str, keys: Sequence[Any]) -> dict[Any, Held]:
        documents = self._store.collection(collection)
        return {key: Held(bson.encode(documents[key])) for key in keys if key in documents}


def mongodb_order(key: Any) -> tuple[bool, Any]:
    """Return a sort key that places numbers before text."""
    return isinstance(key, str), key
