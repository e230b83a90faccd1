"""Reads of the replica for people."""

from collections.abc import Iterable

from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import database, reaching
from cdc.sink import Document, Identity


class ReplicaReader:
    """Reads what is committed; raises Retryable while MongoDB is away."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)

    def counts(self, collections: Iterable[str]) -> dict[str, int]:
        """Return the number of documents in each collection."""
        with reaching():
            return {name: self._db[name].count_documents({}) for name in collections}

    def documents(self, collections: Iterable[str], key: Identity) -> dict[str, Document | None]:
        """Return the document with this key in each collection; None where there is none."""
        with reaching():
            return {name: self._db[name].find_one({"_id": key}) for name in collections}
