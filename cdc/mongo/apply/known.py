"""Looks up the versions that the replica has of rows."""

from collections.abc import Mapping
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database

from cdc.mongo.content import comparable, version_of
from cdc.mongo.plan import Document, Identity, Known, Route, RowKey
from cdc.wire.event import Version

_NO_VERSION = Version(0, 0)
"""The version assumed for a document that has no version; every event is newer."""


class KnownVersions:
    """Reads the versions in the collections and in the delete markers."""

    def __init__(self, db: Database[Document], routes: Mapping[str, Route]) -> None:
        self._db = db
        self._routes = routes

    def of(
        self, keys: Mapping[str, list[Identity]], session: ClientSession | None
    ) -> dict[RowKey, Known]:
        """Return the highest version of each row that the replica has. `keys` are by table."""
        known: dict[RowKey, Known] = {}
        for table, identities in keys.items():
            route = self._routes[table]
            held = [self._versions(name, identities, session) for name in route.collections]
            # A row's marker is never newer than its documents if every collection has a document.
            # The marker is then not read.
            lacking = [key for key in identities if not all(each.get(key) for each in held)]
            markers = self._versions(route.markers, lacking, session) if lacking else {}
            for key in identities:
                versions = [each[key] for each in (*held, markers) if key in each]
                if versions:
                    newest = max(version or _NO_VERSION for version in versions)
                    live = any(key in each for each in held)
                    known[table, key] = Known(version=newest, live=live)
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
