"""Reads of the replica for people: counts and positions."""

from collections.abc import Iterable

from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import OFFSETS, database, reaching
from cdc.record import TopicPartition
from cdc.sink import Document


class ReplicaReader:
    """Reads what is committed; raises Retryable while MongoDB is away."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._group = settings.group

    def counts(self, collections: Iterable[str]) -> dict[str, int]:
        """Return the number of documents in each collection."""
        with reaching():
            return {name: self._db[name].count_documents({}) for name in collections}

    def positions(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that was begun."""
        with reaching():
            found = self._db[OFFSETS].find({"_id.group": self._group})
            return {
                TopicPartition(item["_id"]["topic"], item["_id"]["partition"]): item["next_offset"]
                for item in found
                if item.get("next_offset") is not None
            }
