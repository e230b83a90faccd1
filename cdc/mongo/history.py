"""Reads past events from the history collection, even if Kafka has already removed them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, MongoClient
from pymongo.errors import ExecutionTimeout

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import database, reaching
from cdc.mongo.content import LATEST, as_json, seconds_between
from cdc.mongo.plan import Document
from cdc.wire.event import ChangeEvent, Operation, PastEvent, Row, Version

_MOST_MS = 2_000
_TOO_LONG = (
    "The search for this change in the history took too long: jump to the time of the change."
)
_LARGEST = 2**63 - 1
"""The largest integer that MongoDB can store."""


class History:
    """Reads the history of one topic; each read has a time limit and raises Retryable if it fails.

    The topic is the one in the settings, and `key_columns` maps its captured tables to their key
    columns. Documents from earlier releases name no topic: they are selected by table only.
    """

    def __init__(
        self, client: MongoClient[Document], settings: CdcSettings, key_columns: Mapping[str, str]
    ) -> None:
        self._history = database(client, settings)[settings.history_collection]
        self._key_columns = key_columns
        self._of_topic: Document = {
            "table": {"$in": list(key_columns)},
            "topic": {"$in": [settings.topic, None]},
        }

    def since(self, moment: datetime, limit: int, skip: int = 0) -> list[PastEvent]:
        """Return up to `limit` events captured at `moment` or later, oldest first.

        The first `skip` of them are left out. Events with the same time are in the order in which
        they were applied, so that the next page can continue between two of them.
        """
        with reaching():
            found = self._history.find(
                {"at": {"$gte": moment, "$lte": LATEST}, **self._of_topic}, max_time_ms=_MOST_MS
            )
            return self._events(found.sort("at", ASCENDING).skip(skip).limit(limit))

    def at(self, partition: int, offset: int) -> PastEvent | None:
        """Return the event that had this partition and offset in the topic, or None.

        If the topic was recreated, several events may have had this partition and offset. The event
        that was applied last is returned. There is no index on these fields, because it would slow
        down each write to the replica. The time limit may therefore end the search.
        """
        if max(partition, offset) > _LARGEST:
            return None
        place = {"partition": partition, "offset": offset, **self._of_topic}
        with reaching():
            found = self._history.find(place, max_time_ms=_MOST_MS)
            found = found.sort("$natural", DESCENDING).limit(1)
            try:
                return next(iter(self._events(found)), None)
            except ExecutionTimeout as error:
                raise Retryable(_TOO_LONG) from error

    def applied(self, versions: Sequence[Version]) -> dict[Version, float]:
        """Return the delays, in seconds, of those changes that the replica has applied.

        A delay begins at the capture, by the application's clock, and ends at the write to the
        replica, by the consumer's clock. A negative delay is returned as 0.
        """
        ids = [{"epoch": item.epoch, "outbox_id": item.outbox_id} for item in versions]
        with reaching():
            found = self._history.find(
                {"_id": {"$in": ids}}, {"at": 1, "applied_at": 1}, max_time_ms=_MOST_MS
            )
            delays = {_version(item): seconds_between(item, "at", "applied_at") for item in found}
            return {
                version: max(delay, 0.0) for version, delay in delays.items() if delay is not None
            }

    def _events(self, documents: Iterable[Document]) -> list[PastEvent]:
        """Return the events; skip documents that another program has made invalid."""
        found = map(self._past_event, documents)
        return [each for each in found if each is not None]

    def _past_event(self, item: Document) -> PastEvent | None:
        try:
            return PastEvent(
                event=self._event(item),
                partition=_whole(item["partition"]),
                offset=_whole(item["offset"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            return None

    def _event(self, item: Document) -> ChangeEvent:
        key = item["key"]
        return ChangeEvent(
            op=Operation(item["op"]),
            table=item["table"],
            key_column=self._key_columns[item["table"]],
            key=int(key) if isinstance(key, int) else str(key),
            before=_row(item["before"]),
            after=_row(item["after"]),
            version=_version(item),
            ts_ms=int(item["at"].timestamp() * 1000),
            user=str(item["user"]),
        )


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__name__} instead of an integer")
    return int(value)


def _row(value: Any) -> Row | None:
    return None if value is None else dict(as_json(value))


def _version(item: Document) -> Version:
    return Version(item["_id"]["epoch"], item["_id"]["outbox_id"])
