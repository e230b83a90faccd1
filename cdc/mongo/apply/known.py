"""Looks up the versions of rows in the replica."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database

from cdc.mongo.content import comparable, version_of
from cdc.mongo.plan import Delivered, Document, Identity, Known, Route, RowKey, keys_of
from cdc.wire.event import Version

_NO_VERSION = Version(0, 0)
"""The version assumed for a document that has no version; every event is newer."""


class KnownVersions:
    """Reads the versions in the collections and in the delete markers."""

    def __init__(self, db: Database[Document], routes: Mapping[str, Route]) -> None:
        self._db = db
        self._routes = routes

    def of_batch(self, batch: Sequence[Delivered], session: ClientSession) -> dict[RowKey, Known]:
        """Return the version in the replica of each row of a batch."""
        deletes = {(each.event.table, each.event.key) for each in batch if each.document is None}
        return self.of(keys_of(batch), session, deletes)

    def of(
        self,
        keys: Mapping[str, list[Identity]],
        session: ClientSession | None = None,
        deletes: Container[RowKey] = (),
    ) -> dict[RowKey, Known]:
        """Return the highest version of each row in the replica. `keys` is grouped by table.

        `deletes` are the rows that a batch deletes; their markers are always read.
        """
        known: dict[RowKey, Known] = {}
        for table, identities in keys.items():
            route = self._routes[table]
            held = [self._versions(name, identities, session) for name in route.collections]
            # If every collection has a document of a row, the row's marker is never newer than the
            # documents. In this case, the marker is read only if it will be written.
            read = [
                key
                for key in identities
                if (table, key) in deletes or not all(each.get(key) for each in held)
            ]
            markers = self._versions(route.markers, read, session) if read else {}
            unmarked = set(read) - markers.keys()
            for key in identities:
                versions = [each[key] for each in (*held, markers) if key in each]
                if versions:
                    newest = max(version or _NO_VERSION for version in versions)
                    live = any(key in each for each in held)
                    marked = key not in unmarked
                    known[table, key] = Known(version=newest, live=live, marked=marked)
        return known

    def _versions(
        self, name: str, identities: list[Identity], session: ClientSession | None
    ) -> dict[Any, Version | None]:
        """Return the versions in one collection, with one plain `find`.

        One `$lookup` over all collections would be faster, but transactions do not support it on
        sharded collections.
        """
        found = self._db[name].find(
            {"_id": {"$in": identities}},
            {"_epoch": 1, "_version": 1},
            batch_size=len(identities) + 1,
            session=session,
        )
        return {
            comparable(item["_id"]): version_of(item.get("_epoch"), item.get("_version"))
            for item in found
        }
