"""Rejects an event whose version belongs to a different event.

If two different changes have the same version, the database has reused an outbox id, and the relay
has not noticed. If the event were dropped as a duplicate, its change would be lost silently. As a
dead letter, the event is visible, and a replay sends the row again with a new version.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bson.son import SON
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.results import BulkWriteResult

from cdc.mongo.apply.same_version import refuse_other_content, refuse_other_events
from cdc.mongo.plan import Delivered, Document, Plan, Route, keys_of
from cdc.runtime import telemetry
from cdc.wire.event import Version

_log = logging.getLogger(__name__)
_CONTENT = {"table": 1, "key": 1, "op": 1, "after": 1}


class ReusedVersions:
    """Compares events whose version the replica already has; new versions need no query."""

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
        """Raise Rejected if an event would be dropped as a duplicate of a different event.

        `added` is the result of adding `events` to the history. If the two events belong to
        different rows and the new event is written, no change is lost. The reuse is then only
        logged.
        """
        new = {_version(found) for found in (added.upserted_ids or {}).values()}
        old = {delivered.event.version for delivered in events} - new
        wanted: list[SON[str, int]] = [
            SON(epoch=each.epoch, outbox_id=each.outbox_id) for each in sorted(old)
        ]
        past: Iterable[Document] = ()
        if wanted:
            past = self._history.find({"_id": {"$in": wanted}}, _CONTENT, session=session)
        for delivered in refuse_other_events(events, past, planned):
            telemetry.log(
                _log,
                logging.ERROR,
                telemetry.VERSION_REUSED,
                **asdict(delivered.source),
                offset=delivered.offset,
                **asdict(delivered.event.version),
            )

    def check_documents(self, events: Sequence[Delivered], session: ClientSession) -> None:
        """Raise Rejected if a document has the version of an event but different content.

        This check is for events that are not in the history. It does not find a version that the
        event of another row has used.
        """
        for table, keys in keys_of(events).items():
            ours = [delivered for delivered in events if delivered.event.table == table]
            documents = self._db[self._routes[table].collections[0]]
            found = documents.find({"_id": {"$in": keys}}, session=session)
            refuse_other_content(ours, {item["_id"]: item for item in found})


def _version(identity: Mapping[str, Any]) -> Version:
    return Version(identity["epoch"], identity["outbox_id"])
