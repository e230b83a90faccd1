"""Reads and moves the positions of a consumer group, for commands and pages.

MongoDB stores one document for each group, topic and partition. The consumer itself uses
`cdc/mongo/apply/owned_positions.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pymongo import MongoClient

from cdc.conf import CdcSettings
from cdc.mongo.client import database, position_id, reaching
from cdc.mongo.plan import Document
from cdc.wire.records import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Gap:
    """Records of a partition that may not have been applied.

    Kafka has lost the records, or a rewind has skipped them.
    """

    source: TopicPartition
    lost_from: int
    """The next offset that the consumer had to apply when the gap was found."""
    resumed_at: int
    """The offset at which the consumer resumed. It is `lost_from` or lower if Kafka lost the newest
    records or the whole topic."""
    at: datetime
    """The time by MongoDB's clock at which the gap was last found or extended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOffset:
    """The next offset of a partition, and the id of the topic to which the offset belongs."""

    next_offset: int
    topic_id: str | None = None
    """None if it is not known."""
    leader_epoch: int | None = None
    """The leader epoch of the record before `next_offset`; None if it is not known."""

    def is_of(self, topic_id: str) -> bool:
        """Whether the offset belongs to this topic, not to a deleted topic of the same name."""
        return self.topic_id in {None, topic_id}


class Positions:
    """The positions of one consumer group.

    Each method raises Retryable if MongoDB is unavailable.
    """

    def __init__(self, client: MongoClient[Document], settings: CdcSettings) -> None:
        self._positions = database(client, settings)[settings.positions_collection]
        self._group = settings.group

    def all(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that has a stored position."""
        return {source: stored.next_offset for source, stored in self.stored().items()}

    def stored(self) -> dict[TopicPartition, StoredOffset]:
        """Return the stored position of each partition that has one."""
        with reaching():
            found = self._positions.find({"_id.group": self._group})
            stored = {_source(item): _stored(item) for item in found}
        return {source: offset for source, offset in stored.items() if offset is not None}

    def gaps(self) -> tuple[Gap, ...]:
        """Return the open gaps.

        A gap stays open until a reconciliation leaves no differences. The reconciliation must begin
        after the gap was found, and must be completed without an interruption.
        """
        with reaching():
            found = self._positions.find({"_id.group": self._group, "gap": {"$exists": True}})
            return tuple(sorted(map(_gap, found)))

    def close_gaps(self, gaps: Iterable[Gap]) -> None:
        """Close gaps, except those that have grown since they were read."""
        with reaching():
            for gap in gaps:
                self._positions.update_one(
                    {"_id": position_id(self._group, gap.source), "gap.at": gap.at},
                    {"$unset": {"gap": ""}},
                )

    def move(
        self,
        source: TopicPartition,
        offset: int,
        who: str,
        *,
        first: int = 0,
        lost: StoredOffset | None = None,
    ) -> None:
        """Set the position of the partition to `offset`. Skipped unread records become a gap.

        A partition without a position counts as read up to `first`, its first offset in Kafka.
        `lost` is a position at which Kafka has lost records. If the position is still `lost`, the
        lost records become a gap too, because the new position no longer shows the loss.

        `who` becomes the owner, which fences the partition's consumer. The consumer then takes over
        the partition again at the new position.
        """
        with reaching():
            while not self._moved(source, offset, {"owner": who, "session": None}, first, lost):
                pass  # The consumer has moved the position in the meantime, so try again.

    def _moved(
        self,
        source: TopicPartition,
        offset: int,
        changes: Mapping[str, object],
        first: int,
        lost: StoredOffset | None,
    ) -> bool:
        name = position_id(self._group, source)
        found = self._positions.find_one({"_id": name})
        stored = _stored(found or {})
        position = first if stored is None else stored.next_offset
        skips = position < offset or (stored is not None and stored == lost)
        result = self._positions.update_one(
            {"_id": name, "next_offset": (found or {}).get("next_offset")},
            resumed_after_gap(position if skips else None, offset, changes),
            upsert=found is None,
        )
        return bool(result.matched_count) or result.upserted_id is not None


def resumed_after_gap(
    lost_from: int | None, resume_at: int | None, changes: Mapping[str, object]
) -> Document:
    """Return the update that moves a position to `resume_at` and stores or extends its gap.

    If `lost_from` is None, no record was skipped, and no gap is stored.
    """
    update: Document = {"$set": {**changes, "next_offset": resume_at, "leader_epoch": None}}
    if lost_from is not None:
        update["$min"] = {"gap.from": lost_from}
        update["$max"] = {"gap.to": resume_at or 0}
        update["$currentDate"] = {"gap.at": True}
    return update


def _source(item: Document) -> TopicPartition:
    return TopicPartition(item["_id"].get("topic"), item["_id"].get("partition"))


def _stored(item: Document) -> StoredOffset | None:
    """Return the position in a document, or None if the document has no valid position."""
    offset, topic_id, epoch = (
        item.get(name) for name in ("next_offset", "topic_id", "leader_epoch")
    )
    if not isinstance(offset, int):
        return None
    return StoredOffset(
        next_offset=int(offset),
        topic_id=topic_id if isinstance(topic_id, str) else None,
        leader_epoch=epoch if isinstance(epoch, int) else None,
    )


def _gap(item: Document) -> Gap:
    gap = item["gap"]
    return Gap(source=_source(item), lost_from=gap["from"], resumed_at=gap["to"], at=gap["at"])
