"""Reads the replica for status pages, comparisons and read-your-writes."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any, cast

import bson
from bson.son import SON
from pymongo import ASCENDING, DESCENDING, MongoClient, timeout
from pymongo.errors import ExecutionTimeout

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import connect, database, reaching
from cdc.mongo.content import (
    EARLIEST,
    LATEST,
    Held,
    comparable,
    only_dates,
    seconds_between,
    split,
    version_of,
)
from cdc.mongo.plan import Document, Identity
from cdc.wire.event import Version
from cdc.wire.published import Published

_BY_ID = [("_id", ASCENDING)]
_LAST_APPLIED_SECONDS = 1.0
_COUNT_MS = 5_000


class ReplicaReader:
    """Reads committed documents. Each method raises Retryable if MongoDB is unavailable."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._db = database(client, settings)
        self._history = self._db[settings.history_collection]

    def counts(self, collections: Iterable[str]) -> dict[str, int]:
        """Return the number of documents in each collection that is counted in time.

        The count reads only the index on `_id`: a scan of a large collection would take minutes.
        """
        counted = {}
        for name in collections:
            with reaching(), suppress(ExecutionTimeout):
                counted[name] = self._db[name].count_documents({}, hint=_BY_ID, maxTimeMS=_COUNT_MS)
        return counted

    def held(self, collections: Iterable[str], keys: Sequence[Any]) -> dict[str, dict[Any, Held]]:
        """Return the documents with these keys, by collection and key."""
        # Decoding is slow, and most documents have the same bytes in every collection. Equal bytes
        # are therefore decoded only once.
        known: dict[bytes, Held] = {}
        return {name: self._held(name, keys, known) for name in collections}

    def _held(
        self, collection: str, keys: Sequence[Any], known: dict[bytes, Held]
    ) -> dict[Any, Held]:
        wanted = {"_id": {"$in": list(keys)}}
        found: dict[Any, Held] = {}
        with reaching():
            batches = self._db[collection].find_raw_batches(wanted, batch_size=len(keys) + 1)
            for batch in batches:
                for raw in split(cast("bytes", batch)):  # the library annotates it as a document
                    held = known.get(raw) or known.setdefault(raw, Held(raw))
                    found[held.key] = held
        return found

    def keys(self, collection: str, keys: Sequence[Any]) -> set[Any]:
        """Return those of `keys` for which the collection has a document."""
        with reaching():
            found = self._db[collection].find({"_id": {"$in": list(keys)}}, {"_id": 1})
            return {comparable(item["_id"]) for item in found}

    def keys_after(self, collection: str, last: Any, limit: int) -> list[Any]:
        """Return up to `limit` keys of any type after `last`, in MongoDB's order.

        If `last` is None, start with the first key.
        """
        found = self._db[collection].find({}, {"_id": 1}).sort(_BY_ID).hint(_BY_ID)
        if last is not None:
            # `$gt` would leave out keys of other types.
            found = found.min([("_id", last)])
        with reaching():
            keys = [item["_id"] for item in found.limit(limit + 1)]
        return keys[1:] if keys and _is(keys[0], last) else keys[:limit]

    def version(self, collection: str, key: Identity) -> Version | None:
        """Return the version of the document or delete marker with this key, or None."""
        with reaching():
            found = self._db[collection].find_one({"_id": key}, {"_epoch": 1, "_version": 1})
        return None if found is None else version_of(found.get("_epoch"), found.get("_version"))

    def events(self, versions: Iterable[Version]) -> dict[Version, Document]:
        """Return the history documents of these versions, without the content of the rows."""
        wanted: list[SON[str, int]] = [
            SON(epoch=each.epoch, outbox_id=each.outbox_id) for each in versions
        ]
        fields = {"at": 1, "applied_at": 1, "partition": 1, "offset": 1}
        with reaching():
            found = self._history.find({"_id": {"$in": wanted}}, fields)
            return {
                Version(item["_id"]["epoch"], item["_id"]["outbox_id"]): only_dates(item)
                for item in found
            }

    def highest_version(self) -> Version | None:
        """Return the highest version in the history, or None.

        Documents that another program has added to the history are skipped.
        """
        whole = {"$type": ["int", "long"]}
        ours = {"_id.epoch": whole, "_id.outbox_id": whole}
        newest = self._history.find(ours, {"_id": 1}, batch_size=8).sort("_id", DESCENDING)
        with reaching(), newest:
            ids: Iterable[Any] = (item["_id"] for item in newest)
            versions = (version_of(each["epoch"], each["outbox_id"]) for each in ids)
            return next(filter(None, versions), None)

    def within(self, seconds: float) -> AbstractContextManager[Any]:
        """Limit the total time of the reads inside the context to `seconds`."""
        return cast("AbstractContextManager[Any]", timeout(seconds))

    def delays(self, since: datetime, limit: int) -> list[float]:
        """Return the seconds from capture to replica of changes applied since a time.

        Only the `limit` changes that were captured last are examined, because only `at` has an
        index. A change may have been captured before `since`, so long delays are measured too.
        """
        stages: list[Document] = [
            {"$match": {"at": {"$gte": EARLIEST, "$lte": LATEST}}},
            {"$sort": {"at": DESCENDING}},
            {"$limit": limit},
            {"$match": {"applied_at": {"$gte": since, "$lte": LATEST}}},
            {"$project": {"_id": 0, "at": 1, "applied_at": 1}},
        ]
        with reaching():
            found = self._history.aggregate(stages)
            seconds = (seconds_between(item, "at", "applied_at") for item in found)
            return [each for each in seconds if each is not None]


def _is(key: Any, last: Any) -> bool:
    """Return whether two keys are identical; `==` would not recognise NaN."""
    return last is not None and bson.encode({"": key}) == bson.encode({"": last})


class LastApplied:
    """Reads the highest version that the replica has applied."""

    def __init__(self, settings: CdcSettings) -> None:
        self._reader = ReplicaReader(connect(settings), settings)

    def __call__(self, keep_waiting: Callable[[], bool]) -> list[Published]:
        """Return the highest version, or an empty list if MongoDB does not respond.

        The relay works without MongoDB, because it also reads the version from Kafka. It keeps its
        lease for a second without a renewal, so `keep_waiting` is called only at the start.
        """
        if not keep_waiting():
            raise Retryable("Reading the last applied change was cancelled.")
        try:
            with self._reader.within(_LAST_APPLIED_SECONDS):
                highest = self._reader.highest_version()
        except Retryable:
            return []
        return [Published(version=highest)] if highest else []
