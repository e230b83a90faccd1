"""Refuses an event that has the version of a different event: it is not a duplicate.

If two different changes have the same version, the database has reused an outbox id and the relay's
guard has not noticed. If the event were dropped as a duplicate, its change would be lost silently.
As a dead letter it is visible, and a replay sends the row under a version of its own.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson.son import SON
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.results import BulkWriteResult

from cdc.mongo.plan import Delivered, Document, Plan, Route, keys_of
from cdc.mongo.same_version import refuse_other_content, refuse_other_events
from cdc.runtime import telemetry
from cdc.wire.event import Version

_log = logging.getLogger(__name__)
_CONTENT = {"table": 1, "key": 1, "op": 1, "after": 1}


class ReusedVersions:
    """Compares events whose version the replica holds already; costs nothing for new versions."""

    def __init__(self, db: Database[Document], history: str, routes: Mapping[str, Route]) -> None:
        self._db = db
        self._history = db[history]
        self._routes = routes

    def check_history(
        self,
        events: Sequence[Delivered],
        planned: Plan,
        added: BulkWriteResult,
        session: ClientSession,
    ) -> None:
        """Raise Rejected if the history, to which `events` were just added, held another event.

        If an event is written although another row has used its version, this is only logged.
        """
        new = {_version(found) for found in (added.upserted_ids or {}).values()}
        old = {delivered.event.version for delivered in events} - new
        wanted: list[SON[str, int]] = [
            SON(epoch=each.epoch, outbox_id=each.outbox_id) for each in sorted(old)
        ]
        past: Iterable[Document] = ()
        if wanted:
            past = self._history.find({"_id": {"$in": wanted}}, _CONTENT, session=session)
        for version in refuse_other_events(events, past, planned):
            telemetry.log(
                _log,
                logging.ERROR,
                telemetry.VERSION_REUSED,
                epoch=version.epoch,
                outbox_id=version.outbox_id,
            )

    def check_documents(self, events: Sequence[Delivered], session: ClientSession) -> None:
        """Raise Rejected if a document with the version of an event has another content.

        For events that the history does not keep. This check does not notice that another row has
        used the version.
        """
        for table, keys in keys_of(events).items():
            ours = [delivered for delivered in events if delivered.event.table == table]
            documents = self._db[self._routes[table].collections[0]]
            found = documents.find({"_id": {"$in": keys}}, session=session)
            refuse_other_content(ours, {item["_id"]: item for item in found})


def _version(identity: Mapping[str, Any]) -> Version:
    return Version(identity["epoch"], identity["outbox_id"])
