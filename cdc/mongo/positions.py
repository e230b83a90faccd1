"""The consumer's positions: one document for each group, topic and partition."""

from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import database, position_id, reaching
from cdc.mongo.plan import Document
from cdc.wire.records import TopicPartition


class Positions:
    """The positions of one consumer group; each method raises Retryable."""

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._positions = database(client, settings)[settings.positions_collection]
        self._group = settings.group

    def all(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that has one."""
        with reaching():
            found = self._positions.find({"_id.group": self._group})
            return {
                TopicPartition(item["_id"].get("topic"), item["_id"].get("partition")): int(offset)
                for item in found
                if isinstance(offset := item.get("next_offset"), int)
            }

    def move(self, source: TopicPartition, offset: int, who: str) -> None:
        """Make the partition resume at `offset`.

        `who` becomes the owner. That fences the consumer of the partition, which then takes it over
        again at the new position.
        """
        change = {"$set": {"next_offset": offset, "owner": who, "session": None}}
        with reaching():
            self._positions.update_one(
                {"_id": position_id(self._group, source)}, change, upsert=True
            )
