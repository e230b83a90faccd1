"""How many changes a second the replica was given, over the last minutes."""

from datetime import datetime, timedelta

from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import HISTORY, database, reaching
from cdc.mongo.plan import Document

_MOST_MS = 1_000


class PulseReader:
    """Reads the history's index of times; raises Retryable when that takes over a second."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._history = database(client, settings)[HISTORY]

    def rates(self, until: datetime, *, bins: int, seconds: int) -> list[float]:
        """Return changes a second in `bins` spans of `seconds` up to `until`, oldest first.

        A change counts when it was saved, once it has been applied. With `HISTORY_DAYS=0` there
        are none.
        """
        since = until - timedelta(seconds=bins * seconds)
        number = {"$floor": {"$divide": [{"$subtract": ["$at", since]}, seconds * 1000]}}
        stages: list[Document] = [
            {"$match": {"at": {"$gte": since, "$lt": until}}},
            {"$group": {"_id": number, "n": {"$sum": 1}}},
        ]
        with reaching():
            found = list(self._history.aggregate(stages, maxTimeMS=_MOST_MS))
        counts = {int(row["_id"]): row["n"] for row in found}
        return [counts.get(place, 0) / seconds for place in range(bins)]
