"""A counter in MongoDB, which shows whether MongoDB was restored after a checkpoint was saved."""

from pymongo import MongoClient, ReturnDocument

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.client import database, reaching
from cdc.mongo.plan import Document
from cdc.runtime.clock import Clock

_INTERVAL_SECONDS = 1.0
_RESTORED = (
    "MongoDB was restored during the comparison, so the result is not valid: run the command "
    "again. A job runs again by itself."
)


class ReplicaMark:
    """Counts the checkpoints of a group's reconciliations.

    In a backup that is older than a checkpoint, the counter is lower or missing. The positions of
    the consumers do not show a restore, because the consumers catch up afterwards.

    Each method raises Retryable if MongoDB is unavailable.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings, clock: Clock) -> None:
        self._documents = database(client, settings)[settings.positions_collection]
        self._id = {"reconciliations": settings.group}
        self._clock = clock
        self._count = 0
        self._due = float("-inf")

    def advance(self) -> int:
        """Increase the counter, at most once per second, and return its value.

        Raise Retryable if the counter has gone back since the last call.
        """
        if self._clock.monotonic() >= self._due:
            with reaching():
                found = self._documents.find_one_and_update(
                    # An older counter is not increased: it must not reach the lost values again.
                    {"_id": self._id, **self._not_older},
                    {"$inc": {"checkpoints": 1}},
                    upsert=not self._count,
                    return_document=ReturnDocument.AFTER,
                )
            if found is None:
                raise Retryable(_RESTORED)
            self._count = _count(found)
            self._due = self._clock.monotonic() + _INTERVAL_SECONDS
        return self._count

    @property
    def _not_older(self) -> Document:
        return {"checkpoints": {"$gte": self._count}} if self._count else {}

    def reached(self, count: int) -> bool:
        """Return whether the counter has this value or a higher one."""
        with reaching():
            found = self._documents.find_one({"_id": self._id})
        return _count(found) >= count


def _count(found: Document | None) -> int:
    return int((found or {}).get("checkpoints", 0))
